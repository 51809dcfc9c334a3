"""The commands refuse bad input clearly, run one at a time, and delete only the platform's own files."""

import fcntl
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import contracts
from local import checks, clean, cluster, lock, paths, program, progress, status, up
from local.cluster import containers
from local.errors import LocalError
from local.processes import State


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_user_other_than_root_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalError, match="needs root, but runs as user id 1000: run it with sudo"):
        checks.root()


def test_too_little_memory_is_refused_with_the_required_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MEMORY_BYTES", 2**60)
    with pytest.raises(LocalError, match=r"has [0-9.]+ GiB of memory, but the platform needs 1073741824\.0 GiB"):
        checks.memory()


def test_too_little_disk_is_refused_even_for_a_folder_that_does_not_exist_yet(home: Path) -> None:
    with pytest.raises(LocalError, match=rf"{home.parent} has [0-9.]+ GiB free, but building needs"):
        checks.disk(home, 2**60, "building")
    checks.disk(home, 1, "building")


@pytest.mark.parametrize("value", ["relative/folder", "/"])
@pytest.mark.parametrize(("variable", "folder"), [("AEGIS_HOME", paths.home), ("AEGIS_CACHE", paths.cache)])
def test_a_relative_path_and_the_root_folder_are_refused(
    monkeypatch: pytest.MonkeyPatch, value: str, variable: str, folder: object
) -> None:
    monkeypatch.setenv(variable, value)
    assert callable(folder)
    with pytest.raises(
        LocalError, match=f"{variable} must be an absolute path other than the root folder, got '{value}'"
    ):
        folder()


def test_a_second_command_is_refused_with_the_process_of_the_first(home: Path) -> None:
    home.mkdir()
    with (home / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("4711")
        held.flush()
        with pytest.raises(LocalError, match=rf"working on {home} \(process 4711\)"), lock.only_one():
            pass
    with lock.only_one():
        assert (home / "lock").read_text() == str(os.getpid())


def test_clean_deletes_only_what_the_platform_created(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "root", lambda: None)
    monkeypatch.setattr(cluster, "stop", list)
    (home / "etcd").mkdir(parents=True)
    (home / "my-thesis").write_text("not the platform's")
    assert clean.main([]) == 0
    assert [path.name for path in home.iterdir()] == ["my-thesis"]


def test_clean_deletes_nothing_while_a_file_system_is_mounted_in_the_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "root", lambda: None)
    monkeypatch.setattr(cluster, "stop", list)
    monkeypatch.setattr(containers, "mounts_below", lambda folder: [f"{folder}/volumes/usb"])
    (home / "etcd").mkdir(parents=True)
    with pytest.raises(LocalError, match="volumes/usb is still mounted"):
        clean.main([])
    assert (home / "etcd").exists()


def test_clean_deletes_all_that_the_platform_makes_in_its_home(home: Path) -> None:
    named = [function() for _, function in inspect.getmembers(paths, inspect.isfunction) if function.__name__[0] != "_"]
    below = {path.relative_to(home) for path in named if isinstance(path, Path) and path.is_relative_to(home)}
    assert {path.parts[0] for path in below if path.parts} <= set(paths.CONTENTS)
    assert Path("signing-keys.pem") in below


def test_status_fails_if_the_platform_is_not_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(["--json"]) == 1
    assert '"healthy": false' in capsys.readouterr().out
    assert {health.state for health in cluster.health()} == {State.STOPPED}


@pytest.mark.parametrize("command", ["up", "down", "status", "env", "clean", "doctor"])
def test_every_command_has_help(command: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", f"local.{command}", "--help"], capture_output=True, text=True, check=True
    )
    assert f"python -m local.{command}" in shown.stdout


def test_a_stack_without_a_file_is_refused_with_the_existing_stacks() -> None:
    with pytest.raises(LocalError, match=r"must be one of .*local.*, got 'prdo'"):
        up.main(["--stack", "prdo"])


def test_cluster_only_is_refused_with_an_existing_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AEGIS_CONTEXT", "kind-kind")
    with pytest.raises(SystemExit) as refused:
        up.main(["--cluster-only"])
    assert refused.value.code == 2
    assert "AEGIS_CONTEXT names another: kind-kind" in capsys.readouterr().err


def test_progress_without_a_terminal_prints_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step("Building etcd", about_seconds=45):
        pass
    began, ended = capsys.readouterr().err.splitlines()
    assert began.endswith("Building etcd ... (about 45 s)")
    assert "Building etcd ... done (0.0 s)" in ended


def test_a_failing_command_shows_its_last_lines_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "build.log"
    with pytest.raises(LocalError, match="sh ended with exit code 3"), progress.step("Outer"), progress.step("Inner"):
        progress.run(["/bin/sh", "-c", "echo the reason; exit 3"], log=log)
    shown = capsys.readouterr().err
    assert shown.count("| the reason") == 1
    assert str(log) in shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (42, "42 s"), (99.6, "100 s"), (120, "2 min"), (200, "3 min 20 s")]
)
def test_a_duration_has_a_readable_unit(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_a_stack_of_a_real_account_is_refused_with_the_alternative() -> None:
    with pytest.raises(LocalError, match=r"prod belongs to the AWS account 3+: `make preview STACK=prod` shows"):
        up.main(["--stack", "prod"])


def test_a_stack_of_the_emulated_account_needs_the_embedded_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(contracts.CONTEXT_ENV, "kind-kind")
    with pytest.raises(LocalError, match=r"ci needs the embedded cluster.*unset AEGIS_CONTEXT, which is kind-kind"):
        up.main(["--stack", "ci"])


@pytest.mark.parametrize(("stack", "other"), [("ci", "local"), ("local", "ci")])
def test_a_second_stack_on_one_machine_is_refused_with_the_command_that_destroys_the_first(
    stack: str, other: str
) -> None:
    write_state(other, {"type": "pulumi:pulumi:Stack"}, {"type": "kubernetes:core/v1:Namespace"})
    with pytest.raises(LocalError, match=f"The stack {other} is up.*run `make destroy STACK={other}` first"):
        up.main(["--stack", stack])


def test_a_destroyed_stack_is_not_up() -> None:
    write_state("local")
    assert not program.is_up("local")
    assert not program.is_up("ci")


def write_state(stack: str, *resources: dict[str, str]) -> None:
    """Write the engine's state of a stack."""
    file = program.state() / ".pulumi" / "stacks" / contracts.PROJECT / f"{stack}.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"checkpoint": {"latest": {"resources": list(resources)}}}))
