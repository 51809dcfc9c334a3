"""The engine is run on this platform's own state, its progress is told, and a killed run's lock is taken away."""

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from local import env, paths, program, progress, summary
from local.errors import LocalError

ENGINE = """#!/bin/sh
echo "$@" >> {calls}
case "$1" in
up) cat {output}; exit {code};;
stack) [ "$2" = output ] && echo '{{"mlflow_url": "http://10.213.128.20:5000"}}';;
esac
exit 0
"""
DISPLAY = """\
Updating (local):

 +  pulumi:pulumi:Stack aegis-local creating (0s)
 +  kubernetes:core/v1:Namespace mlflow creating (0s)
 +  kubernetes:core/v1:Namespace mlflow created (0.10s)
 ~  kubernetes:apps/v1:Deployment mlflow updated (12s) [diff: ~spec]
 +- kubernetes:batch/v1:Job release replaced (3s)
 +  pulumi:pulumi:Stack aegis-local created (20s)
Resources:
    + 2 created
"""
FAILURE = """\
Updating (local):
 +  pulumi:pulumi:Stack aegis-local **failed** 1 error
Diagnostics:
  pulumi:pulumi:Stack (aegis-local):
    warning: using pulumi-resource-random from $PATH at /some/where
  kubernetes:apps/v1:Deployment (mlflow):
    error: mlflow: image not found
Outputs:
    mlflow_url: "http://10.213.128.20:5000"
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    return tmp_path


def test_nobody_else_reads_the_state_whose_secrets_everybody_could_decrypt() -> None:
    program.state().mkdir(parents=True, mode=0o755)
    program.environment()
    assert stat.S_IMODE(program.state().stat().st_mode) == 0o700


def engine(folder: Path, output: str = DISPLAY, code: int = 0) -> dict[str, str]:
    """Put a stand-in for the engine on a PATH, and return the environment."""
    (folder / "output").write_text(output)
    executable = folder / "bin" / "pulumi"
    executable.parent.mkdir()
    executable.write_text(ENGINE.format(calls=folder / "calls", output=folder / "output", code=code))
    executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{executable.parent}:/usr/bin:/bin"}


def test_what_became_of_each_resource_is_told_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step("Bringing the stack up") as step:
        change = program.up("local", engine(home), step)
    told = capsys.readouterr().err
    assert "Namespace mlflow created in 0.10s" in told
    assert "Deployment mlflow updated in 12s" in told
    assert "Job release replaced in 3s" in told
    assert "creating" not in told
    assert change.resources == 3
    assert (paths.logs() / "pulumi.log").read_text() == DISPLAY


def test_a_failed_update_shows_its_diagnostics_and_names_its_log(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = engine(home, output=FAILURE, code=255)
    with (
        pytest.raises(LocalError, match=r"pulumi up of the stack local failed.*pulumi\.log"),
        progress.step("Up") as step,
    ):
        program.up("local", failing, step)
    told = capsys.readouterr().err
    assert "error: mlflow: image not found" in told
    assert "warning: using" not in told
    assert "mlflow_url" not in told


def lock(holder: dict[str, object]) -> None:
    file = program.state() / ".pulumi" / "locks" / "organization" / "aegis" / "local" / "x.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(holder))


def test_the_lock_of_a_killed_update_is_taken_away(home: Path) -> None:
    lock({"pid": 2**22 + 1, "hostname": socket.gethostname()})
    with progress.step("Up") as step:
        program.up("local", engine(home), step)
    assert "cancel --yes" in (home / "calls").read_text()


@pytest.mark.parametrize(
    "holder",
    [{"pid": os.getpid(), "hostname": socket.gethostname()}, {"pid": 2**22 + 1, "hostname": "another"}],
    ids=["of this machine", "of another machine"],
)
def test_an_update_at_work_is_told_and_left_alone(home: Path, holder: dict[str, object]) -> None:
    lock(holder)
    at_work = rf"pulumi \(process {holder['pid']} on {holder['hostname']}\) is at work on the stack local"
    with pytest.raises(LocalError, match=at_work), progress.step("Up") as step:
        program.up("local", engine(home), step)
    assert "cancel" not in (home / "calls").read_text()
    assert "up" not in (home / "calls").read_text().split()


def test_a_stack_that_was_never_up_has_no_outputs(home: Path) -> None:
    assert program.outputs("local", engine(home)) == {}
    assert not (home / "calls").exists()


def test_the_engine_keeps_to_the_platforms_own_folders() -> None:
    variables = program.environment()
    assert variables["PULUMI_BACKEND_URL"] == f"file://{paths.home()}/pulumi/state"
    assert variables["PULUMI_HOME"].startswith(str(paths.home()))
    assert Path(variables["PULUMI_CONFIG_PASSPHRASE_FILE"]).stat().st_mode & 0o777 == 0o600
    assert variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_embedded_plugins_are_linked_where_the_engine_takes_them_without_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    variables = env.engine_environment()
    linked = Path(variables["PULUMI_HOME"]) / "plugins" / "resource-vault-v7.7.0" / "pulumi-resource-vault"
    assert linked.resolve().is_relative_to(paths.REPOSITORY / "local" / "plugins")
    assert "plugins" not in variables["PATH"]


def test_clients_are_pointed_at_what_the_stack_exports() -> None:
    outputs = {"mlflow_url": "http://a:5000", "vault_url": "http://b:8200", "s3_root_access_key": "root"}
    assert env.clients(outputs) == {
        "MLFLOW_TRACKING_URI": "http://a:5000",
        "VAULT_ADDR": "http://b:8200",
        "AWS_ACCESS_KEY_ID": "root",
        "AWS_DEFAULT_REGION": "us-west-2",
    }


def test_the_exports_survive_a_shell(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEGIS_HOME", str(home / "with a 'quote"))
    monkeypatch.delenv("AEGIS_CONTEXT", raising=False)
    assert env.main([]) == 0
    exports = capsys.readouterr().out
    shell = os.popen(f"""eval "$(cat <<'END'\n{exports}\nEND\n)"; printf %s "$KUBECONFIG" """)  # noqa: S605
    assert shell.read() == str(home / "with a 'quote" / "kubeconfig")


RELEASE = {
    "run_id": "abc", "experiment": "aegis", "metric": "val/accuracy", "value": 0.98765, "model": "classifier",
    "version": "3", "archive": "s3://mlflow-releases/x/model.tar.gz", "key": "aegis-cosign", "key_version": 1,
}  # fmt: skip


@pytest.mark.parametrize(("verified", "told"), [(True, "verified, by key aegis-cosign"), (False, "NOT VERIFIED")])
def test_the_summary_tells_the_release(verified: bool, told: str) -> None:
    text = summary.text(
        {
            "stack": "local",
            "changed_resources": 0,
            "addresses": {"mlflow_url": "http://10.0.0.1:5000"},
            "release": RELEASE | {"verified": verified},
            "seconds": 83.2,
        }
    )
    for expected in ("http://10.0.0.1:5000", "val/accuracy = 0.9877", "classifier version 3", told, "none", "83 s"):
        assert expected in text
