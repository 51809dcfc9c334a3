"""Median latency of several models, measured in turns, so that a busy machine slows all of them down alike."""

import statistics
import time
from collections.abc import Mapping
from typing import Final

import numpy as np

from workloads.conversion.parity import Model

BATCHES: Final = (1, 64)

_WARM_UP: Final = 3
_MOST_ROUNDS: Final = 50
_MOST_SECONDS: Final = 2.0


def measure(models: Mapping[str, Model], inputs: np.ndarray) -> dict[str, dict[str, float]]:
    """Return the median milliseconds of one call by model and batch size."""
    by_size = {size: _medians(models, inputs[np.arange(size) % len(inputs)]) for size in BATCHES}
    return {name: {str(size): medians[name] for size, medians in by_size.items()} for name in models}


def _medians(models: Mapping[str, Model], batch: np.ndarray) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in models}
    started = time.perf_counter()
    for number in range(_WARM_UP + _MOST_ROUNDS):
        for name, model in models.items():
            before = time.perf_counter()
            model.predict(batch)
            if number >= _WARM_UP:
                times[name].append(time.perf_counter() - before)
        if number >= _WARM_UP and time.perf_counter() - started > _MOST_SECONDS:
            break
    return {name: round(statistics.median(measured) * 1000, 4) for name, measured in times.items()}
