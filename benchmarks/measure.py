"""The time and peak memory of a command, as the kernel counts them."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One run of a command: wall and CPU time in seconds, peak resident memory in bytes.

    Linux counts the forked process before it executes the command, too, so `rss` is never less than this program's own
    memory, some 50 MB.
    """

    wall: float
    cpu: float
    rss: int


def measure(argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end and measure it.

    Raises:
        RuntimeError: The command fails; the message has the end of its output.
    """
    log = cwd / "command.log"
    # Unwritten data of an earlier command must not slow this one down.
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
