"""Counts of the recent past: they rotate through a fixed number of windows, so that old ones are forgotten."""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np

_WINDOWS: Final = 12
# Upper bounds of a request's time in seconds; the last bucket is open. From the fastest model to a long generation.
LATENCY_BOUNDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip


class Tally:
    """The requests, failures, latencies and inputs of a window; `cells` are the counts of all features' bins."""

    def __init__(self, cells: int) -> None:
        self.requests = 0
        self.failures = 0
        self.rows = 0
        self.latencies = np.zeros(len(LATENCY_BOUNDS) + 1, dtype=np.int64)
        self.cells = np.zeros(cells, dtype=np.int64)

    def answered(self, seconds: float, *, ok: bool) -> None:
        """Count a request."""
        self.requests += 1
        self.failures += not ok
        self.latencies[bisect_left(LATENCY_BOUNDS, seconds)] += 1

    def saw(self, rows: int, cells: np.ndarray[Any, Any]) -> None:
        """Count the inputs of a request."""
        self.rows += rows
        self.cells += cells

    def add(self, other: "Tally") -> None:
        """Add the counts of another window."""
        self.requests += other.requests
        self.failures += other.failures
        self.latencies += other.latencies
        self.saw(other.rows, other.cells)


class Recent:
    """The counts of the last `seconds`; `cells` is the number of all features' bins."""

    def __init__(self, cells: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._cells = cells
        self._span = seconds / _WINDOWS
        self._clock = clock
        self._windows: deque[tuple[int, Tally]] = deque(maxlen=_WINDOWS)

    def now(self) -> Tally:
        """Return the window of the present."""
        number = self._number()
        if not self._windows or self._windows[-1][0] != number:
            self._windows.append((number, Tally(self._cells)))
        return self._windows[-1][1]

    def total(self) -> Tally:
        """Return the sum of the windows that aren't too old."""
        oldest = self._number() - _WINDOWS
        total = Tally(self._cells)
        for number, tally in self._windows:
            if number > oldest:
                total.add(tally)
        return total

    def _number(self) -> int:
        return int(self._clock() / self._span)
