"""Automatic promotions in two steps: one process runs the models' code, and another one signs the decision."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pytest

from contracts import Exit
from tests.support.registered import SignedModel
from workloads import cli
from workloads.registry.__main__ import main

pytestmark = pytest.mark.usefixtures("vault")

Step = Callable[..., int]
RULES = "version: 1\nevaluation: {data: set.csv, target: y}\nrules:\n  comparison: {}\n  size: {max_bytes: 2000}\n"


def run(*argv: object) -> int:
    """Run the command as a process would, and return its exit code."""
    with pytest.raises(SystemExit) as exit_:
        cli.run(main, [str(argument) for argument in argv])
    return int(exit_.value.code or 0)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "set.csv").write_text("x,y\n" + "1,1\n" * 60)
    path = tmp_path / "policy.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report.json"


@pytest.fixture
def judge(model: SignedModel, policy: Path, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """Judge as the init container does: with MLflow's address, the trusted keys and the policy."""
    keys = tmp_path / "trusted.pub"
    keys.write_bytes(model.signer.public_key().pem)

    def step(*options: str) -> int:
        with monkeypatch.context() as patch:
            for name in ("VAULT_ADDR", "VAULT_TOKEN", "AEGIS_RELEASES_BUCKET"):
                patch.delenv(name)
            patch.setenv("AEGIS_TRUSTED_KEYS", str(keys))
            return run("auto-promote", model.name, "--policy", policy, "--judge", report, *options)

    return step


@pytest.fixture
def decide(model: SignedModel, policy: Path, report: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """Decide by the report; running a model's code fails the test."""

    def step(*options: str) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(mlflow.pyfunc, "load_model", lambda *_: pytest.fail("a model's code ran"))
            return run("auto-promote", model.name, "--policy", policy, "--verdict", report, *options)

    return step


def change(report: Path, edit: Callable[[Any], object]) -> None:
    fields = json.loads(report.read_text())
    edit(fields)
    report.write_text(json.dumps(fields))


def accept(fields: Any) -> None:
    """Make the report one of a judge whose rules all held."""
    fields["passed"] = True
    for rule in fields["rules"]:
        rule["held"] = True


def test_the_judge_needs_no_signer_and_the_decision_runs_no_model(
    model: SignedModel, judge: Step, decide: Step, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("nominate", model.name, 1) == Exit.OK
    assert judge() == Exit.OK
    assert f"{model.name} version 1 against no champion" in capsys.readouterr().out
    written = json.loads(report.read_text())
    assert [(rule["name"], rule["held"]) for rule in written["rules"]] == [
        ("signature", True),
        ("comparison", False),
        ("size", True),
    ]
    assert model.alias("champion") is None
    # These models have no flavor that can be loaded, so the comparison fails.
    assert decide("--json") == Exit.OK
    printed = json.loads(capsys.readouterr().out)
    assert (printed["moved"], printed["report"]) == (False, written)
    change(report, accept)
    assert decide("--json") == Exit.OK
    printed = json.loads(capsys.readouterr().out)
    assert (printed["moved"], printed["record"]) == (True, 2)
    assert printed["report"] == json.loads(report.read_text())
    assert model.alias("champion") == "1"


def test_the_decision_checks_what_needs_no_model_itself(
    model: SignedModel, judge: Step, decide: Step, policy: Path, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.write_text(RULES.replace("2000", "1010"))
    assert run("nominate", model.name, 1) == Exit.OK
    assert judge() == Exit.OK
    change(report, accept)
    assert decide() == Exit.OK
    assert f"the policy policy refuses {model.name} version 1: size." in capsys.readouterr().out
    (model.files("1") / "weights.bin").write_bytes(b"2" * 1000)
    assert decide() == Exit.OK
    assert f"refuses {model.name} version 1: signature, comparison, size." in capsys.readouterr().out
    assert model.alias("champion") is None


def test_a_rule_that_the_report_lacks_does_not_hold(
    model: SignedModel, judge: Step, decide: Step, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("nominate", model.name, 1) == Exit.OK
    assert judge() == Exit.OK
    change(report, lambda fields: (accept(fields), fields["rules"].pop(1)))
    assert decide() == Exit.OK
    assert "comparison: the report doesn't have it" in capsys.readouterr().out
    assert model.alias("champion") is None


def test_a_report_about_something_else_is_refused(
    model: SignedModel, judge: Step, decide: Step, policy: Path, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("nominate", model.name, 1) == Exit.OK
    assert judge() == Exit.OK
    change(report, accept)
    assert run("nominate", model.name, 2) == Exit.OK
    assert decide() == Exit.USAGE
    error = "error: the report is about candidate 1, and now it is 2: judge again.\n"
    assert capsys.readouterr().err == error
    assert judge() == Exit.OK
    change(report, lambda fields: (accept(fields), fields.update(champion="1")))
    assert decide() == Exit.USAGE
    assert "is about champion 1, and now it is none" in capsys.readouterr().err
    change(report, lambda fields: fields.update(champion=None, model="other"))
    assert decide() == Exit.USAGE
    assert f"is about the model other, and now it is {model.name}" in capsys.readouterr().err
    change(report, lambda fields: fields.update(model=model.name))
    policy.write_text(f"{RULES}  approvals: {{of: [ada]}}\n")
    assert decide() == Exit.USAGE
    assert "is about the policy with the SHA-256 " in capsys.readouterr().err
    assert model.alias("champion") is None


def test_a_file_that_is_no_report_is_refused_and_never_quoted(
    model: SignedModel,
    judge: Step,
    decide: Step,
    report: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("nominate", model.name, 1) == Exit.OK
    assert judge() == Exit.OK
    good = report.read_text()
    for content in (
        "",
        "s3cret",
        '"s3cret"',
        "[]",
        '{"policy": "s3cret"}',
        good.replace("false", '"s3cret"'),
        good.replace('"held": true', '"held": 1'),
        good.replace('"passed": false', '"passed": true'),
        good.replace('"model"', '"s3cret": 1, "model"', 1),
        "[" * 100_000,
    ):
        report.write_text(content)
        assert decide() == Exit.USAGE
        assert capsys.readouterr().err == f"error: {report} is not the report of a policy, as --judge writes it.\n"
    secret = tmp_path / "token"
    secret.write_text("s3cret")
    report.unlink()
    report.symlink_to(secret)
    assert decide() == Exit.USAGE
    assert "s3cret" not in capsys.readouterr().err
    report.unlink()
    os.mkfifo(report)
    assert decide() != Exit.OK
    report.unlink()
    report.write_text(f"{good}{' ' * (1 << 20)}")
    assert decide() != Exit.OK
    assert model.alias("champion") is None


def test_nothing_to_judge_leaves_no_report_and_is_no_failure(
    model: SignedModel, judge: Step, decide: Step, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report.write_text("of another day")
    assert judge("--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == {
        "model": model.name,
        "reason": f"{model.name} has no candidate besides its champion: nothing to judge",
    }
    assert not report.exists()
    assert decide() == Exit.OK
    assert run("nominate", model.name, 1) == Exit.OK
    assert decide() == Exit.USAGE
    assert f"{report} cannot be read: No such file or directory" in capsys.readouterr().err


def test_only_one_step_at_a_time(model: SignedModel, judge: Step, report: Path) -> None:
    assert judge("--verdict", str(report)) == Exit.USAGE
