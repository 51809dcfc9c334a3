"""The checks of a laptop's installation."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from contracts import Exit
from laptop import checks, doctor, environment, start
from tests.unit.laptop.conftest import exit_of


def results(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    return {one["check"]: one for one in json.loads(capsys.readouterr().out)["checks"]}


def test_a_prepared_laptop_passes_every_check(prepared_database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(start.main, "--setup-only") == Exit.OK
    capsys.readouterr()
    assert exit_of(doctor.main) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert all(line.startswith("OK ") for line in lines)


def test_an_unprepared_laptop_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(checks._CHECKS, "PyFunc model")
    assert exit_of(doctor.main, "--json") == Exit.UNEXPECTED
    found = results(capsys)
    assert {name for name, one in found.items() if not one["ok"]} == {"folder", "keys", "MLflow"}
    assert all("make setup-mlflow" in found[name]["remedy"] for name in ("folder", "keys", "MLflow"))


def test_a_missing_package_and_a_credential_in_the_file_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = environment.enter("dev")
    monkeypatch.setattr(checks, "_PACKAGES", ("mlflow", "dnspython"))
    monkeypatch.setattr(checks, "version", lambda name: "1.0")
    monkeypatch.setattr(
        environment, "values", lambda name: {"MLFLOW_TRACKING_PASSWORD": "hunter2", "MLFLOW_PORT": "5000"}
    )
    for name in ("PyFunc model", "MLflow"):
        monkeypatch.delitem(checks._CHECKS, name)
    found = {one.check: one for one in checks.run(settings)}
    assert "mlflow 1.0 (must be" in found["packages"].detail
    assert found["environment"].detail == ".env.dev holds a credential: MLFLOW_TRACKING_PASSWORD"
    assert "hunter2" not in str(found)


def test_a_dead_server_is_one_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    os.environ["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    settings = environment.enter("dev")
    for name in set(checks._CHECKS) - {"MLflow"}:
        monkeypatch.delitem(checks._CHECKS, name)
    (result,) = checks.run(settings)
    assert not result.ok
    assert "MLflow at http://127.0.0.1:9 does not answer" in result.detail
    assert "\n" not in str(result)
