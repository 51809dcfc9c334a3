"""Detached processes, each known by a pid file, so that a later command can tell, stop or replace just these.

A pid alone may be recycled by the kernel: the file also holds the process's start time and the boot it belongs to, and
no process is signalled unless all three match. What a process is for, and when it is ready, is its owner's matter.
"""

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from local import paths
from local.errors import LocalError

LOG_LIMIT_BYTES = 32 * 1024 * 1024

# Children of this very command, kept so that their exit is collected.
_children: dict[int, subprocess.Popen[bytes]] = {}


class State(StrEnum):
    """What a named process is doing."""

    RUNNING = "running"
    STOPPED = "stopped"
    DEAD = "dead"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What a pid file says: which process, and a digest of what it was started with."""

    pid: int
    started: int
    boot: str
    fingerprint: str


def log_file(name: str) -> Path:
    """Return the log of the process `name`."""
    return paths.logs() / f"{name}.log"


def start(name: str, argv: Sequence[str], *, env: Mapping[str, str], fingerprint: str = "") -> int:
    """Start `argv` in a session of its own, with its output in its log, and return its pid.

    Raises:
        LocalError: The program could not be started.
    """
    log = log_file(name)
    for folder in (log.parent, paths.run()):
        folder.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.old"))
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd="/", start_new_session=True
            )
        except OSError as error:
            raise LocalError(f"{name} could not be started: {argv[0]}: {error.strerror}", log) from error
    _children[child.pid] = child
    record = Record(pid=child.pid, started=_start_time(child.pid) or 0, boot=paths.boot(), fingerprint=fingerprint)
    write_whole(_pid_file(name), json.dumps(asdict(record)))
    return child.pid


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a crash, finds the old text or the new one and nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.touch(mode=mode)
    temporary.chmod(mode)
    temporary.write_text(text)
    temporary.replace(path)


def record(name: str) -> Record | None:
    """Return what the pid file of `name` says; None without one, or with one that a crash left unreadable."""
    try:
        return Record(**json.loads(_pid_file(name).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def state(name: str) -> State:
    """Return whether `name` runs, was never started or was stopped, or died."""
    known = record(name)
    if known is None:
        return State.STOPPED
    return State.RUNNING if _is_alive(known) else State.DEAD


def running(name: str) -> Record | None:
    """Return the record of `name` if it runs."""
    known = record(name)
    return known if known and _is_alive(known) else None


def stop(names: Iterable[str], *, grace_seconds: float = 15) -> list[str]:
    """End the processes that run under these names, all at once; the ones that don't end in time are killed.

    Returns the names of those that were running.
    """
    known = {name: known for name in names if (known := running(name))}
    end([process.pid for process in known.values()], grace_seconds=grace_seconds)
    for name in names:
        _pid_file(name).unlink(missing_ok=True)
    return list(known)


def end(pids: Iterable[int], *, grace_seconds: float) -> None:
    """Ask processes to end, and kill those that still run after `grace_seconds`."""
    handles = _handles(pids)
    try:
        _signal(handles, signal.SIGTERM)
        if left := _wait(handles, grace_seconds):
            _signal(left, signal.SIGKILL)
            _wait(left, 5)
    finally:
        for handle in handles:
            os.close(handle)
    for child in list(_children.values()):
        if child.poll() is not None:
            del _children[child.pid]


def _handles(pids: Iterable[int]) -> list[int]:
    handles: list[int] = []
    for pid in pids:
        with suppress(ProcessLookupError):
            handles.append(os.pidfd_open(pid))
    return handles


def _signal(handles: Iterable[int], number: signal.Signals) -> None:
    for handle in handles:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)


def _wait(handles: Iterable[int], seconds: float) -> list[int]:
    """Wait until all these processes have ended, and return the handles of those that have not."""
    left = set(handles)
    deadline = _now() + seconds
    poll = select.poll()
    for handle in left:
        poll.register(handle, select.POLLIN)
    while left and (remaining := deadline - _now()) > 0:
        for handle, _ in poll.poll(remaining * 1000):
            poll.unregister(handle)
            left.discard(handle)
    return list(left)


def _now() -> float:
    return os.times().elapsed


def _pid_file(name: str) -> Path:
    return paths.run() / f"{name}.pid"


def _is_alive(known: Record) -> bool:
    child = _children.get(known.pid)
    if child is not None:
        child.poll()
    return known.boot == paths.boot() and known.started != 0 and _start_time(known.pid) == known.started


def _start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot (proc(5), field 22); None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])
