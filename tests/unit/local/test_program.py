"""The engine runs on the platform's own state, its progress is shown, and the lock of a killed run is removed."""

import json
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from local import env, paths, preview, program, progress, status, summary, toolchain
from local.errors import LocalError

RECORDINGS = Path(__file__).parent / "recordings"

# Copies an event log to the file that `--event-log` names.
ENGINE = """#!/bin/sh
echo "$@" >> {calls}
case "$1" in
up)
  while [ "$1" != --event-log ]; do shift; done
  cat {events} > "$2"; echo "what the engine displays"; exit {code};;
stack) [ "$2" = output ] && echo '{{"mlflow_url": "http://10.213.128.20:5000"}}';;
esac
exit 0
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    return tmp_path


def test_other_users_cannot_read_the_state_whose_passphrase_is_public() -> None:
    program.state().mkdir(parents=True, mode=0o755)
    program.prepare()
    assert stat.S_IMODE(program.state().stat().st_mode) == 0o700


def engine(folder: Path, recording: str = "creates", code: int = 0) -> dict[str, str]:
    """Put a stand-in for the engine on a PATH, and return the environment."""
    executable = folder / "bin" / "pulumi"
    executable.parent.mkdir()
    events = RECORDINGS / f"{recording}.ndjson"
    executable.write_text(ENGINE.format(calls=folder / "calls", events=events, code=code))
    executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{executable.parent}:/usr/bin:/bin"}


def test_an_update_shows_each_outcome_and_logs_the_engines_display(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.step("Bringing the stack up") as step:
        change = program.up("local", engine(home), step)
    assert "RandomId id created" in capsys.readouterr().err
    assert change.resources == 2
    assert (paths.logs() / "pulumi.log").read_text() == "what the engine displays\n"


def test_a_failed_update_shows_its_errors_once_and_names_its_log(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = engine(home, "fails", code=255)
    with (
        pytest.raises(LocalError, match=r"pulumi up of the stack local failed.*pulumi\.log"),
        progress.step("Outer"),
        progress.step("Up") as step,
    ):
        program.up("local", failing, step)
    shown = capsys.readouterr().err
    assert shown.count("error: byteLength is -1, it must be a whole number of at least 1") == 1
    assert "what the engine displays" not in shown


def test_if_the_engine_ends_without_an_event_its_own_output_is_shown(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = engine(home)
    (home / "bin" / "pulumi").write_text("#!/bin/sh\n[ $1 = up ] && echo 'error: no such stack' && exit 255\nexit 0\n")
    with pytest.raises(LocalError, match="failed"), progress.step("Up") as step:
        program.up("local", environment, step)
    assert "error: no such stack" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 255])
def test_the_event_log_is_private_and_deleted_after_the_update(home: Path, code: int) -> None:
    with suppress(LocalError), progress.step("Up") as step:
        program.up("local", engine(home, code=code), step)
    [call] = [call for call in (home / "calls").read_text().splitlines() if call.startswith("up ")]
    event_log = Path(call.partition("--event-log ")[2])
    assert stat.S_IMODE(event_log.parent.stat().st_mode) == 0o700
    assert not event_log.exists()


INTERRUPTED = """#!/usr/bin/python3
import os, signal, sys, time
def end(*_):
    print("saved the state", flush=True)
    sys.exit(1)
if sys.argv[1] == "up":
    signal.signal(signal.SIGINT, end)
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
"""


def test_an_interrupt_lets_the_engine_save_its_state(home: Path) -> None:
    # A shell starts its background jobs with SIGINT ignored, the tests among them.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _interrupted(home)
    finally:
        signal.signal(signal.SIGINT, previous)


def _interrupted(home: Path) -> None:
    environment = engine(home)
    (home / "bin" / "pulumi").write_text(INTERRUPTED.replace("/usr/bin/python3", sys.executable))
    with pytest.raises(KeyboardInterrupt), progress.step("Up") as step:
        program.up("local", environment, step)
    assert (paths.logs() / "pulumi.log").read_text() == "saved the state\n"


def tree(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Return everything below a folder with its mode, modification time, and link target."""
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, str(path.readlink()) if path.is_symlink() else "")
        for path in (folder, *folder.rglob("*"))
    }


READ_ONLY = pytest.mark.parametrize("command", [env.main, status.main], ids=["env", "status"])


@READ_ONLY
def test_env_and_status_of_a_platform_that_was_never_up_create_nothing(command: Callable[[Sequence[str]], int]) -> None:
    command([])
    assert not paths.home().exists()


@READ_ONLY
def test_env_and_status_leave_the_plugins_of_another_checkout_linked(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[[Sequence[str]], int]
) -> None:
    monkeypatch.setenv("PATH", engine(home)["PATH"])
    monkeypatch.setenv("AEGIS_CACHE", str(home / "cache"))
    program.prepare()
    (program.state() / ".pulumi" / "stacks" / "aegis").mkdir(parents=True)
    (program.state() / ".pulumi" / "stacks" / "aegis" / "local.json").write_text("{}")
    [link] = paths.pulumi().glob("home/plugins/resource-random-*/pulumi-resource-random")
    link.unlink()
    link.symlink_to("/another/checkout/local/plugins/bin/random/pulumi-resource-random")
    program.state().chmod(0o750)
    before = tree(paths.home())
    command([])
    assert "stack output" in (home / "calls").read_text()
    assert tree(paths.home()) == before


def test_a_preview_prepares_what_the_engine_needs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", engine(home)["PATH"])
    monkeypatch.setenv("AEGIS_CACHE", str(home / "cache"))
    monkeypatch.setattr(toolchain, "ensure", lambda *_: {})
    assert preview.main(["--diff"]) == 0
    assert (home / "calls").read_text() == "preview --stack local --diff\n"
    assert paths.passphrase().exists()
    assert list(paths.pulumi().glob("home/plugins/resource-random-*/pulumi-resource-random"))


def lock(holder: dict[str, object]) -> None:
    file = program.state() / ".pulumi" / "locks" / "organization" / "aegis" / "local" / "x.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(holder))


def test_the_lock_of_a_killed_update_is_removed(home: Path) -> None:
    lock({"pid": 2**22 + 1, "hostname": socket.gethostname()})
    with progress.step("Up") as step:
        program.up("local", engine(home), step)
    assert "cancel --yes" in (home / "calls").read_text()


@pytest.mark.parametrize(
    "holder",
    [{"pid": os.getpid(), "hostname": socket.gethostname()}, {"pid": 2**22 + 1, "hostname": "another"}],
    ids=["of this machine", "of another machine"],
)
def test_a_running_update_is_reported_and_not_cancelled(home: Path, holder: dict[str, object]) -> None:
    lock(holder)
    working = rf"pulumi \(process {holder['pid']} on {holder['hostname']}\) is working on the stack local"
    with pytest.raises(LocalError, match=working), progress.step("Up") as step:
        program.up("local", engine(home), step)
    assert "cancel" not in (home / "calls").read_text()
    assert "up" not in (home / "calls").read_text().split()


def test_a_stack_that_was_never_up_has_no_outputs(home: Path) -> None:
    assert program.outputs("local", engine(home)) == {}
    assert not (home / "calls").exists()


def test_the_engine_uses_only_the_platforms_own_folders() -> None:
    variables = program.environment()
    assert variables["PULUMI_BACKEND_URL"] == f"file://{paths.home()}/pulumi/state"
    assert variables["PULUMI_HOME"].startswith(str(paths.home()))
    program.prepare()
    assert Path(variables["PULUMI_CONFIG_PASSPHRASE_FILE"]).stat().st_mode & 0o777 == 0o600
    assert variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_embedded_plugins_are_linked_where_the_engine_finds_them_without_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    program.prepare()
    variables = env.engine_environment()
    linked = Path(variables["PULUMI_HOME"]) / "plugins" / "resource-vault-v7.7.0" / "pulumi-resource-vault"
    assert linked.resolve().is_relative_to(paths.REPOSITORY / "local" / "plugins")
    assert "plugins" not in variables["PATH"]


def test_clients_get_the_addresses_that_the_stack_exports() -> None:
    outputs = {"mlflow_url": "http://a:5000", "vault_url": "http://b:8200", "s3_root_access_key": "root"}
    assert env.clients(outputs) == {
        "MLFLOW_TRACKING_URI": "http://a:5000",
        "VAULT_ADDR": "http://b:8200",
        "AWS_ACCESS_KEY_ID": "root",
        "AWS_DEFAULT_REGION": "us-west-2",
    }


def test_the_exports_are_quoted_for_a_shell(
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


@pytest.mark.parametrize(("verified", "verdict"), [(True, "verified, by key aegis-cosign"), (False, "NOT VERIFIED")])
def test_the_summary_shows_the_release(verified: bool, verdict: str) -> None:
    text = summary.text(
        {
            "stack": "local",
            "changed_resources": 0,
            "addresses": {"mlflow_url": "http://10.0.0.1:5000"},
            "release": RELEASE | {"verified": verified},
            "seconds": 83.2,
        }
    )
    for expected in ("http://10.0.0.1:5000", "val/accuracy = 0.9877", "classifier version 3", verdict, "none", "83 s"):
        assert expected in text
