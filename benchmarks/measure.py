"""Times a command and takes its peak memory, as the kernel counts them."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One run of a command: wall and CPU time in seconds, peak resident memory in bytes.

    Linux counts the memory of the process that starts the command, too, until the command takes its place: less than
    this program's own, some 50 MB, is never shown.
    """

    wall: float
    cpu: float
    rss: int


def measure(argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end.

    Raises:
        RuntimeError: It fails; tells its last words.
    """
    log = cwd / "command.log"
    # What an earlier command left to be written must not slow this one down.
    os.sync()
    with log.open("w+b") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            [str(argument) for argument in argv],
            cwd=cwd,
            env=os.environ | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{argv[0]} exited with {process.returncode}: {log.read_text()[-500:]}")
    return Measured(wall=wall, cpu=usage.ru_utime + usage.ru_stime, rss=usage.ru_maxrss * 1024)
