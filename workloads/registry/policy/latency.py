"""The latency of predictions, measured side by side: the models take turns, so that both see the same machine."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_WARM_UPS: Final = 3

Call = Callable[[], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """The median and the 95th percentile, in milliseconds."""

    median_ms: float
    p95_ms: float


def measure(
    calls: Mapping[str, Call], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Latency]:
    """Time each of `calls` `repeats` times, interleaved, after a few calls to warm up; `clock` is in seconds."""
    for call in (*calls.values(),) * _WARM_UPS:
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats):
        # The first of a turn finds colder caches.
        for name in _order(tuple(calls), turn):
            started = clock()
            calls[name]()
            seconds[name].append(clock() - started)
    return {name: _summary(values) for name, values in seconds.items()}


def _order(names: Sequence[str], turn: int) -> Sequence[str]:
    return names if turn % 2 == 0 else names[::-1]


def _summary(seconds: Sequence[float]) -> Latency:
    median, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95])
    return Latency(median_ms=float(median), p95_ms=float(p95))
