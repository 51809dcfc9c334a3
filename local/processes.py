"""Detached processes with a pid file each, so that later commands can find, stop or replace exactly these.

The kernel reuses pids, so the file also holds the start time and the boot of the process. A process is signalled only
if all three match. Callers decide what a process is for and when it is ready.
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

# Children of this command, kept so that their exit is collected.
_children: dict[int, subprocess.Popen[bytes]] = {}


class State(StrEnum):
    """State of a named process; a dead one ended without being stopped."""

    RUNNING = "running"
    STOPPED = "stopped"
    DEAD = "dead"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """Content of a pid file: the process, and a digest of what it was started with."""

    pid: int
    started: int
    boot: str
    fingerprint: str


def log_file(name: str) -> Path:
    """Return the log of the process `name`."""
    return paths.logs() / f"{name}.log"


def start(name: str, argv: Sequence[str], *, env: Mapping[str, str], fingerprint: str = "") -> int:
    """Start `argv` in a new session, append its output to its log, and return its pid.

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
    """Write a file atomically: readers see either the old text or the new one, even after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.touch(mode=mode)
    temporary.chmod(mode)
    temporary.write_text(text)
    temporary.replace(path)


def record(name: str) -> Record | None:
    """Return the pid file of `name`; None if there is none, or if a crash left it unreadable."""
    return _read(_pid_file(name))


def _read(pid_file: Path) -> Record | None:
    try:
        return Record(**json.loads(pid_file.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def state(name: str) -> State:
    """Return the state of `name`; a process that was never started is stopped."""
    recorded = record(name)
    if recorded is None:
        return State.STOPPED
    return State.RUNNING if _is_alive(recorded) else State.DEAD


def running(name: str) -> Record | None:
    """Return the record of `name` if it runs."""
    recorded = record(name)
    return recorded if recorded and _is_alive(recorded) else None


def any_runs(folder: Path) -> bool:
    """Return whether a process with a pid file in the folder runs; the folder can be another home's."""
    return any(_is_alive(recorded) for file in folder.glob("*.pid") if (recorded := _read(file)))


def stop(names: Iterable[str], *, grace_seconds: float = 15) -> list[str]:
    """Stop the processes with these names, all at once, and kill those that don't end in time.

    Return the names of those that were running.
    """
    live = {name: recorded for name in names if (recorded := running(name))}
    end([recorded.pid for recorded in live.values()], grace_seconds=grace_seconds)
    for name in names:
        _pid_file(name).unlink(missing_ok=True)
    return list(live)


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


def _is_alive(recorded: Record) -> bool:
    child = _children.get(recorded.pid)
    if child is not None:
        child.poll()
    return recorded.boot == paths.boot() and recorded.started != 0 and _start_time(recorded.pid) == recorded.started


def _start_time(pid: int) -> int | None:
    """Return the start time of a process in clock ticks since boot (proc(5), field 22); None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])
