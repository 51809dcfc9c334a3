"""Drift of the inputs: which features are distributed otherwise than in the training.

A feature has drifted if the difference is both large and certain. Large: its population stability index (PSI) is at
least 0.2, the usual bound of a significant shift; for a normal distribution that is a shift by 0.45 standard
deviations. Certain: its p-value, corrected for the number of features, is at most 0.001. The p-value is that of the
chi-squared test of homogeneity and, for numbers, of the Kolmogorov-Smirnov test at the bins' edges, whichever is lower,
doubled. The correction is that of Benjamini and Yekutieli, which holds for features that depend on one another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import special, stats

from workloads.serving.watching.feature import Category, Number

# Added to each bin, so that an empty one doesn't make the index infinite (Jeffreys' prior).
_PRIOR: Final = 0.5
# Below this expected count the chi-squared test isn't exact (Cochran's rule).
_LEAST_EXPECTED: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The least PSI and the greatest p-value of a drift, and the least number of samples to judge."""

    psi: float = 0.2
    p: float = 0.001
    samples: int = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What was found about a feature; the figures are None if there are too few samples."""

    feature: str
    samples: int
    psi: float | None
    ks: float | None
    p: float | None
    drifted: bool


def judge(
    features: Sequence[Number | Category], counts: Sequence[np.ndarray[Any, Any]], limits: Limits
) -> list[Finding]:
    """Return a finding for each feature, whose `counts` per bin are compared with those of the training."""
    measured = [
        _measure(np.asarray(feature.counts), seen, ordered=isinstance(feature, Number))
        if min(seen.sum(), sum(feature.counts)) >= limits.samples
        else None
        for feature, seen in zip(features, counts, strict=True)
    ]
    corrected = iter(stats.false_discovery_control([one[2] for one in measured if one], method="by"))
    return [
        _finding(feature.name, int(seen.sum()), one, float(next(corrected)) if one else None, limits)
        for feature, seen, one in zip(features, counts, measured, strict=True)
    ]


def _finding(
    name: str, samples: int, measured: tuple[float, float | None, float] | None, p: float | None, limits: Limits
) -> Finding:
    if measured is None or p is None:
        return Finding(feature=name, samples=samples, psi=None, ks=None, p=None, drifted=False)
    psi, ks, _ = measured
    return Finding(feature=name, samples=samples, psi=psi, ks=ks, p=p, drifted=psi >= limits.psi and p <= limits.p)


def _measure(
    expected: np.ndarray[Any, Any], seen: np.ndarray[Any, Any], *, ordered: bool
) -> tuple[float, float | None, float]:
    """Return the PSI, the KS statistic if the bins are ordered, and the p-value."""
    p = _homogeneity(expected, seen)
    if not ordered:
        return population_stability(expected, seen), None, p
    ks, other = _kolmogorov_smirnov(expected[:-1], seen[:-1])
    return population_stability(expected, seen), ks, min(1.0, 2 * min(p, other))


def population_stability(expected: np.ndarray[Any, Any], seen: np.ndarray[Any, Any]) -> float:
    """Return the population stability index: the relative entropies in both directions, in nats."""
    before, now = (_shares(counts + _PRIOR) for counts in (expected, seen))
    return float((special.rel_entr(before, now) + special.rel_entr(now, before)).sum())


def _shares(counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return counts / counts.sum()


def _kolmogorov_smirnov(expected: np.ndarray[Any, Any], seen: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the greatest difference of the distribution functions at the edges, and its p-value.

    It is at most that of the values themselves, so the p-value errs on the side of no drift.
    """
    before, now = int(expected.sum()), int(seen.sum())
    if not before or not now:
        return 0.0, 1.0
    difference = float(np.abs(expected.cumsum() / before - seen.cumsum() / now).max())
    return difference, float(special.kolmogorov(difference * np.sqrt(before * now / (before + now))))


def _homogeneity(expected: np.ndarray[Any, Any], seen: np.ndarray[Any, Any]) -> float:
    """Return the p-value of the chi-squared test, with rare bins taken together.

    It is that of `scipy.stats.chi2_contingency`, in a tenth of its time: a server judges 100 features at each scrape.
    """
    table = np.stack([expected, seen])
    table = table[:, table.sum(axis=0) > 0]
    table = table[:, table.sum(axis=0).argsort()]
    least = table.sum(axis=0) * (table.sum(axis=1).min() / table.sum())
    rare = int(np.count_nonzero(least < _LEAST_EXPECTED))
    # Together they may still be rare: then the next one joins them.
    if rare and least[:rare].sum() < _LEAST_EXPECTED:
        rare += 1
    filled = np.column_stack([table[:, :rare].sum(axis=1), table[:, rare:]]) if rare else table
    usual = np.outer(filled.sum(axis=1), filled.sum(axis=0)) / filled.sum()
    statistic = ((filled - usual) ** 2 / usual).sum()
    return float(special.chdtrc(filled.shape[1] - 1, statistic)) if filled.shape[1] > 1 else 1.0
