"""The exporter: when it reads what, and what stays when a source fails."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from contracts import Env, Exit
from tests.support.engine import ROOT
from workloads.monitoring import collect
from workloads.monitoring.exporter import Readings, Schedule, in_process
from workloads.monitoring.parts import PARTS
from workloads.monitoring.sources import vault

STARTED = 1000.0


class Sources:
    """Sources that answer, or fail, as a test wants."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.failing: set[str] = set()

    def __call__(self, parts: Sequence[str]) -> list[dict[str, Any]]:
        self.asked.append(list(parts))
        return [
            {"part": part, "error": "it is gone"}
            if part in self.failing
            else {"part": part, "samples": [["aegis_vault_unsealed", len(self.asked), []]] if part == "vault" else []}
            for part in parts
        ]


def shown(readings: Readings) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(readings)
    lines = (line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def success(part: str) -> str:
    return f'aegis_exporter_last_success_timestamp_seconds{{part="{part}"}}'


@pytest.fixture
def sources() -> Sources:
    return Sources()


def test_everything_is_read_at_the_start_and_each_part_again_after_its_period(sources: Sources) -> None:
    schedule = Schedule(list(PARTS), Readings(list(PARTS), STARTED), sources)
    assert schedule.step(0) == 120
    assert schedule.step(120) == 120
    for clock in range(240, 3601, 120):
        schedule.step(clock)
    assert sources.asked[0] == list(PARTS)
    assert sources.asked[1] == ["database", "vault"]
    assert sources.asked[5] == ["database", "vault", "models", "backups"]
    assert sources.asked[30] == list(PARTS)


def test_nothing_is_read_before_it_is_due(sources: Sources) -> None:
    schedule = Schedule(["vault"], Readings(["vault"], STARTED), sources)
    schedule.step(0)
    assert schedule.step(100) == 20
    assert len(sources.asked) == 1


def test_a_source_that_fails_keeps_its_last_figures_and_their_time(
    sources: Sources, capsys: pytest.CaptureFixture[str]
) -> None:
    readings = Readings(["vault"], STARTED)
    schedule = Schedule(["vault"], readings, sources)
    schedule.step(0)
    before = shown(readings)
    sources.failing = {"vault"}
    schedule.step(120)
    assert shown(readings) == before
    assert before["aegis_vault_unsealed"] == 1
    assert capsys.readouterr().err == "vault: it is gone\n"


def test_a_source_that_never_answered_has_the_time_of_the_start(sources: Sources) -> None:
    readings = Readings(["vault", "models"], STARTED)
    sources.failing = {"vault"}
    Schedule(["vault", "models"], readings, sources).step(0)
    assert shown(readings)[success("vault")] == STARTED
    assert shown(readings)[success("models")] > STARTED


def test_the_command_tells_each_part_on_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(Env.VAULT_ADDR, "http://127.0.0.1:1")
    monkeypatch.delenv(Env.EXPORTER_BUCKETS, raising=False)
    assert collect.main(["vault", "backups"]) == Exit.OK
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["part"] for line in lines] == ["vault", "backups"]
    assert "does not answer" in lines[0]["error"]
    assert Env.EXPORTER_BUCKETS in lines[1]["error"]


def test_an_unknown_failure_of_one_part_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(vault, "read", broken)
    monkeypatch.delenv(Env.EXPORTER_BUCKETS, raising=False)
    assert collect.main(["vault", "backups"]) == Exit.OK
    captured = capsys.readouterr()
    assert [json.loads(line)["part"] for line in captured.out.splitlines()] == ["vault", "backups"]
    assert "secret" not in captured.out + captured.err


def test_a_process_that_dies_is_an_error_of_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert in_process(["vault"]) == [{"part": "vault", "error": "it wasn't read in time"}]


def test_without_anything_to_read_it_ends_with_the_names_of_its_variables() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workloads.monitoring.exporter"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == Exit.USAGE
    assert "There is nothing to read: set one of PGHOST, VAULT_ADDR" in done.stderr


def test_it_serves_its_figures_until_it_is_told_to_end() -> None:
    port = 29465
    with subprocess.Popen(
        [sys.executable, "-m", "workloads.monitoring.exporter", f"--port={port}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], Env.VAULT_ADDR: "http://127.0.0.1:1"},
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            text = eventually(port)
        finally:
            server.terminate()
        assert server.wait(timeout=30) == Exit.OK
    assert success("vault") in text


def eventually(port: int) -> str:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                return answer.read().decode()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
