"""A process is identified by its pid, start time and boot, so that no other process is stopped instead."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import paths, processes
from local.errors import LocalError
from local.processes import State

SLEEP = ("/bin/sleep", "60")
ENV = {"PATH": "/usr/bin:/bin"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    yield tmp_path
    processes.stop([file.stem for file in paths.run().glob("*.pid")], grace_seconds=1)


def rewrite(name: str, **changed: object) -> None:
    file = paths.run() / f"{name}.pid"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


def test_a_started_process_runs_until_it_is_stopped() -> None:
    assert processes.state("part") is State.STOPPED
    pid = processes.start("part", SLEEP, env=ENV)
    assert processes.state("part") is State.RUNNING
    assert processes.stop(["part"]) == ["part"]
    assert processes.state("part") is State.STOPPED
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_killed_process_is_dead_rather_than_stopped() -> None:
    pid = processes.start("part", SLEEP, env=ENV)
    os.kill(pid, 9)
    deadline = time.monotonic() + 5
    while processes.state("part") is State.RUNNING and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes.state("part") is State.DEAD


def test_a_process_outlives_the_session_that_started_it() -> None:
    pid = processes.start("part", SLEEP, env=ENV)
    assert os.getsid(pid) == pid != os.getsid(0)


@pytest.mark.parametrize("changed", [{"started": 1}, {"boot": "another boot"}])
def test_a_reused_pid_is_not_signalled(changed: dict[str, object]) -> None:
    stranger = subprocess.Popen(SLEEP)
    try:
        processes.start("part", SLEEP, env=ENV)
        ours = processes.record("part")
        assert ours is not None
        rewrite("part", pid=stranger.pid, **changed)
        assert processes.state("part") is State.DEAD
        assert processes.stop(["part"]) == []
        assert stranger.poll() is None
        os.kill(ours.pid, 9)
    finally:
        stranger.kill()
        stranger.wait()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap '' TERM; touch {ready}; while :; do sleep 0.1; done"
    processes.start("stubborn", ("/bin/sh", "-c", script), env=ENV)
    while not ready.exists():
        time.sleep(0.01)
    began = time.monotonic()
    processes.stop(["stubborn"], grace_seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 3
    assert processes.state("stubborn") is State.STOPPED


def test_output_goes_to_the_log_of_the_process() -> None:
    processes.start("part", ("/bin/sh", "-c", "echo out; echo err >&2"), env=ENV)
    deadline = time.monotonic() + 5
    while processes.state("part") is State.RUNNING and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes.log_file("part").read_text().split() == ["out", "err"]


def test_a_missing_program_is_reported_with_its_path() -> None:
    with pytest.raises(LocalError, match="part could not be started: /no/such/program: No such file"):
        processes.start("part", ("/no/such/program",), env=ENV)
    assert processes.state("part") is State.STOPPED


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}'])
def test_a_pid_file_that_a_crash_left_unreadable_counts_as_stopped(text: str) -> None:
    paths.run().mkdir(parents=True)
    (paths.run() / "part.pid").write_text(text)
    assert processes.state("part") is State.STOPPED


def test_a_file_is_replaced_atomically_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "key"
    processes.write_whole(file, "old", 0o600)
    processes.write_whole(file, "new", 0o600)
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["key"]
