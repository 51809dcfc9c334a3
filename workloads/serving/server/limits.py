"""How much the server does at a time."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# The quota and the period of the process' CPU time, in microseconds: cgroup v2, cpu.max.
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The limits of a server.

    `predictions` run at the same time, and `bodies` are in memory, of up to `largest_body` bytes each; further requests
    wait, with their bodies unread. A request gets `seconds`, with the time that it waits.
    """

    predictions: int = field(default_factory=lambda: max(2, cpus()))
    bodies: int = 64
    largest_body: int = 64 << 20
    seconds: float = 60


def cpus() -> int:
    """Return the number of CPUs that this process may use, at least 1."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = _QUOTA.read_text().split()
        return max(1, min(allowed, math.ceil(int(quota) / int(period))))
    # No limit ("max"), or no cgroup v2.
    except (OSError, ValueError):
        return allowed
