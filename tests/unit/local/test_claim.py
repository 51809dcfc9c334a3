"""One platform at a time has the machine's link and firewall chains; one that was killed locks no other out."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import paths, processes
from local.cluster import claim
from local.errors import LocalError

SLEEP = ("/bin/sleep", "60")
ENV = {"PATH": "/usr/bin:/bin"}


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "runtime", lambda: tmp_path / "run")


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Claim the machine for another home with a running process, then act as a second home."""
    other = tmp_path / "other"
    monkeypatch.setenv("AEGIS_HOME", str(other))
    processes.start("etcd", SLEEP, env=ENV)
    claim.take()
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "own"))
    yield other
    monkeypatch.setenv("AEGIS_HOME", str(other))
    processes.stop(["etcd"], grace_seconds=1)


def test_the_machine_is_refused_while_another_platform_is_up(other: Path) -> None:
    assert claim.is_others()
    assert not claim.is_abandoned()
    with pytest.raises(LocalError, match=f"{other} is up: run `AEGIS_HOME={other} make down` first"):
        claim.take()


def test_a_platform_that_was_killed_is_abandoned_and_its_machine_can_be_taken(other: Path) -> None:
    [pid_file] = (other / "run").glob("*.pid")
    os.kill(json.loads(pid_file.read_text())["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 5
    while claim.is_others() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert claim.is_abandoned()
    claim.take()
    assert not claim.is_others()
    assert not claim.is_abandoned()


def test_a_platform_keeps_its_own_claim() -> None:
    claim.take()
    claim.take()
    assert not claim.is_others()
    assert not claim.is_abandoned()
