"""The values of metrics: which direction is better, how they rank, and how they are shown."""

import math
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Final

_LOWER_IS_BETTER: Final = frozenset(
    {"cer", "duration", "err", "error", "errors", "latency", "loss", "mae", "mape", "mse", "nll", "perplexity", "ppl"}
    | {"rmse", "wer"}
)
_HIGHER_IS_BETTER: Final = frozenset(
    {"acc", "accuracy", "ap", "auc", "auprc", "auroc", "bleu", "f1", "iou", "map", "precision", "r2", "recall", "rouge"}
    | {"throughput"}
)
_WORD: Final = re.compile(r"[a-z0-9]+")


def maximized(metric: str) -> bool | None:
    """Return whether higher values of `metric` are better, judged by the words of its name; None if unknown."""
    words = set(_WORD.findall(metric.lower()))
    # An error comes first: in `accuracy_error` or `map_loss`, lower is better.
    if words & _LOWER_IS_BETTER:
        return False
    return True if words & _HIGHER_IS_BETTER else None


def is_finite(value: float) -> bool:
    """Return whether a metric is finite; MLflow's SQL store keeps infinity as the largest float."""
    return math.isfinite(value) and abs(value) < sys.float_info.max


def restored(value: float) -> float:
    """Return infinity for the largest float, as which MLflow's SQL store keeps it, and other values unchanged."""
    return value if is_finite(value) or math.isnan(value) else math.copysign(math.inf, value)


def rank(value: float | None, *, maximize: bool) -> tuple[int, float]:
    """Return the sort key of a value: finite values first, the best at the front, then others, then missing ones."""
    if value is None:
        return 2, 0
    if not is_finite(value):
        return 1, 0
    return 0, -value if maximize else value


def best(values: Iterable[float | None], *, maximize: bool) -> float | None:
    """Return the best finite value, or None if there is none."""
    finite = [value for value in values if value is not None and is_finite(value)]
    return min(finite, key=lambda value: rank(value, maximize=maximize), default=None)


def shown(value: float | None) -> str:
    """Return a value for a reader, with six significant digits: `-` if missing, else also `NaN`, `inf` or `-inf`."""
    if value is None:
        return "-"
    return "NaN" if math.isnan(value) else f"{value:.6g}"


def exact(value: float | None) -> float | str | None:
    """Return a value for strict JSON, which has no NaN and infinity: those are strings, as in protobuf's JSON."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def all_restored(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics with their infinities, see `restored`."""
    return {name: restored(value) for name, value in metrics.items()}
