"""Measure the time and the peak memory of a command, as counted by the kernel."""

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One run of a command: wall and CPU time in seconds, peak resident memory in bytes.

    Linux includes the memory of the forked process before it executes the command, so `rss` is never below this
    program's own, some 50 MB.
    """

    wall: float
    cpu: float
    rss: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """Several runs of one contender: the medians of the times in seconds, and the highest memory in bytes."""

    name: str
    wall: float
    cpu: float
    rss: int

    @classmethod
    def of(cls, name: str, runs: Sequence[Measured]) -> Self:
        """Return the result of some runs."""
        return cls(
            name=name,
            wall=statistics.median(run.wall for run in runs),
            cpu=statistics.median(run.cpu for run in runs),
            rss=max(run.rss for run in runs),
        )


def measure(argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end and return its measurements.

    Raises:
        RuntimeError: The command fails; the message has the end of its output.
    """
    log = cwd / "command.log"
    # Pending writes of an earlier command must not slow this one down.
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
