import json
from pathlib import Path

import pytest

from contracts import Exit
from tests.support.fake_vault import FakeVault
from tests.support.local_signer import LocalSigner
from tests.support.registered import SignedModel
from tests.support.verdict import Verdict
from workloads import cli
from workloads.registry.__main__ import main

pytestmark = pytest.mark.usefixtures("vault")


@pytest.fixture
def key(model: SignedModel, tmp_path: Path) -> Path:
    path = tmp_path / "cosign-v1.pub"
    path.write_bytes(model.signer.public_key().pem)
    return path


def run(*argv: object) -> int:
    """Run the command as a process would, and return its exit code."""
    with pytest.raises(SystemExit) as exit_:
        cli.run(main, [str(argument) for argument in argv])
    return int(exit_.value.code or 0)


def test_a_model_is_nominated_promoted_rolled_back_and_its_history_shown(
    model: SignedModel, verdict: Verdict, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    assert run("nominate", model.name, 1) == Exit.OK
    assert run("promote", model.name, "--policy", "p.yaml", "--report", report, "--approve-by", "grace") == Exit.OK
    assert json.loads(report.read_text())["passed"] is True
    assert run("promote", model.name, "--version", 2, "--policy", "p.yaml", "--by", "ada") == Exit.OK
    assert run("rollback", model.name, "--reason", "slow") == Exit.OK
    assert run("rollback", model.name, "--to", 1) == Exit.OK
    said = capsys.readouterr().out
    assert f"champion of {model.name} is version 2 instead of version 1: file:///" in said
    assert f"champion of {model.name} is version 1 already" in said
    assert run("history", model.name, "--key", key) == Exit.OK
    said = capsys.readouterr().out
    assert [line.split()[2] for line in said.splitlines()[1:5]] == ["nominate", "promote", "promote", "rollback"]
    assert "  ada" in said.splitlines()[3]
    assert "octocat  slow" in said.splitlines()[4]
    assert "champion: version 1 since 20" in said


def test_the_record_names_who_signed_in_to_vault(
    model: SignedModel, vault: FakeVault, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("nominate", model.name, 1) == Exit.OK
    capsys.readouterr()
    assert run("history", model.name, "--key", key, "--json") == Exit.OK
    [record] = json.loads(capsys.readouterr().out)["records"]
    assert record["by"] == "octocat"
    assert record["identity"] == {
        "vault": vault.address,
        "display_name": "token-tester",
        "path": "auth/token/create",
        "meta": {"team": "research"},
    }


def test_a_refusal_by_the_policy_shows_its_report(
    model: SignedModel, verdict: Verdict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict.accepts = False
    report = tmp_path / "report.json"
    arguments = ("promote", model.name, "--version", 1, "--policy", "p.yaml", "--report", report)
    assert run(*arguments) == Exit.REFUSED
    said = capsys.readouterr()
    assert [line.split()[:2] for line in said.out.splitlines()[2:4]] == [["accuracy", "NO"], ["size", "yes"]]
    assert said.out.endswith("\nnot passed\n")
    assert said.err == f"error: the policy always refuses {model.name} version 1: accuracy.\n"
    assert json.loads(report.read_text())["passed"] is False
    assert run(*arguments, "--json") == Exit.REFUSED
    assert json.loads(capsys.readouterr().out)["moved"] is False


def test_a_dry_run_says_what_would_happen(
    model: SignedModel, verdict: Verdict, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    arguments = ("promote", model.name, "--version", 1, "--policy", "p.yaml", "--stage", "Production")
    assert run(*arguments, "--dry-run") == Exit.OK
    assert capsys.readouterr().out.endswith(f"champion of {model.name} would be version 1\n")
    assert model.alias("champion") is None
    assert run(*arguments) == Exit.OK
    assert not [warning for warning in recwarn if "stage" in str(warning.message)]


def test_an_automatic_promotion_that_moves_nothing_is_no_failure_and_says_why(
    model: SignedModel, verdict: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    # As the CronJob calls it.
    arguments = ("auto-promote", "--policy", "p.yaml", "--json", "--", model.name)

    def result() -> tuple[bool, str | None]:
        assert run(*arguments) == Exit.OK
        printed = json.loads(capsys.readouterr().out)
        assert (printed["model"], printed["action"], printed["alias"]) == (model.name, "promote", "champion")
        return printed["moved"], printed.get("reason")

    assert result() == (False, f"{model.name} has no version with the alias candidate")
    assert run("nominate", model.name, 1) == Exit.OK
    capsys.readouterr()
    verdict.accepts = False
    assert run(*arguments) == Exit.OK
    printed = json.loads(capsys.readouterr().out)
    assert printed["reason"] == f"the policy always refuses {model.name} version 1: accuracy."
    assert (printed["moved"], printed["report"]["passed"]) == (False, False)
    verdict.accepts = True
    assert result() == (True, None)
    assert result() == (False, f"version 1 of {model.name} is the champion already")


def test_an_automatic_promotion_for_a_terminal(
    model: SignedModel, verdict: Verdict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    arguments = ("auto-promote", model.name, "--policy", "p.yaml", "--stage", "Staging", "--report", report)
    assert run("nominate", model.name, 2) == Exit.OK
    verdict.accepts = False
    assert run(*arguments) == Exit.OK
    assert capsys.readouterr().out.endswith(
        f"\nnot passed\nthe policy always refuses {model.name} version 2: accuracy.\n"
    )
    assert json.loads(report.read_text())["passed"] is False
    verdict.accepts = True
    assert run(*arguments, "--dry-run") == Exit.OK
    assert capsys.readouterr().out.endswith(f"champion of {model.name} would be version 2\n")
    assert run(*arguments) == Exit.OK
    assert model.tracking.client.get_model_version(model.name, "2").current_stage == "Staging"


def test_an_automatic_promotion_judges_by_the_policy_s_file(
    model: SignedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nrules:\n  size: {max_bytes: 1010}\n")
    assert run("nominate", model.name, 1) == Exit.OK
    assert run("auto-promote", model.name, "--policy", policy) == Exit.OK
    assert f"the policy policy refuses {model.name} version 1: size." in capsys.readouterr().out
    policy.write_text("version: 1\nrules:\n  size: {max_bytes: 2000}\n")
    assert run("auto-promote", model.name, "--policy", policy) == Exit.OK
    assert model.alias("champion") == "1"


def test_an_automatic_promotion_that_cannot_decide_fails(
    model: SignedModel, verdict: Verdict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unsigned = model.add(signed=False)
    model.move("candidate", unsigned)
    assert run("auto-promote", model.name, "--policy", "p.yaml") == Exit.NOT_VERIFIED
    assert run("auto-promote", "missing", "--policy", "p.yaml") == Exit.MLFLOW
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    assert run("auto-promote", model.name, "--policy", "p.yaml") == Exit.VAULT
    assert capsys.readouterr().out == ""
    assert model.alias("champion") is None


def test_an_invalid_policy_fails_an_automatic_promotion(
    model: SignedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.yaml"
    assert run("auto-promote", model.name, "--policy", policy) == Exit.USAGE
    policy.write_text("version: 1\nrules: {}\n")
    assert run("auto-promote", model.name, "--policy", policy) == Exit.USAGE
    assert "is not a valid policy" in capsys.readouterr().err


def test_a_history_that_does_not_verify_says_why(
    model: SignedModel, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("nominate", model.name, 1) == Exit.OK
    model.move("champion", "2")
    assert run("history", model.name, "--key", key) == Exit.NOT_VERIFIED
    assert "are NOT verified: the alias champion was moved outside" in capsys.readouterr().err
    assert run("history", model.name, "--key", key, "--json") == Exit.NOT_VERIFIED
    assert json.loads(capsys.readouterr().out)["verified"] is False


def test_history_repairs_an_alias(model: SignedModel, key: Path) -> None:
    assert run("nominate", model.name, 1) == Exit.OK
    model.move("candidate", "2")
    assert run("history", model.name, "--key", key, "--repair") == Exit.OK
    assert model.alias("candidate") == "1"


def test_the_keys_may_be_in_one_file_or_in_a_folder(model: SignedModel, key: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(LocalSigner().public_key().pem + key.read_bytes())
    assert run("nominate", model.name, 1, "--key", both) == Exit.OK
    folder = tmp_path / "keys"
    folder.mkdir()
    key.rename(folder / key.name)
    for place in (both, folder):
        assert run("history", model.name, "--key", place) == Exit.OK


def test_history_names_the_environment_variables_that_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("history", "--help") == Exit.OK
    told = capsys.readouterr().out
    assert "AEGIS_TRUSTED_KEYS (unless --key is given)" in told
    assert "the keys of the signer" not in told
    assert "--repair and --accept-head also need VAULT_ADDR" in told


def test_history_needs_trusted_keys(model: SignedModel, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("history", model.name) == Exit.USAGE
    assert "AEGIS_TRUSTED_KEYS is not set" in capsys.readouterr().err


def test_a_dead_vault_is_one_clear_line_before_anything_moves(
    model: SignedModel, verdict: Verdict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    for arguments in (("promote", model.name, "--version", 1, "--policy", "p"), ("rollback", model.name, "--to", 1)):
        assert run(*arguments) == Exit.VAULT
        assert "Vault at http://127.0.0.1:1 does not answer" in capsys.readouterr().err.splitlines()[-1]
    assert model.alias("champion") is None


def test_a_missing_model_is_one_clear_line(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("history", "missing", "--key", key) == Exit.MLFLOW
    assert "name=missing not found" in capsys.readouterr().err
