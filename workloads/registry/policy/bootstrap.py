"""The paired bootstrap: a one-sided lower confidence bound of the mean gain per sample.

It is the studentized bootstrap ("bootstrap-t", Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter
12). The percentile bootstrap promotes too often where few samples differ: with a margin of -0.02 and 1 to 3 differing
samples of 50 it was wrong in 16 to 37 % of simulations instead of 5 %. The studentized one has the same weakness if the
few samples that differ agree by chance, so two pseudo-samples join the sample, one for each side, as Bonett and Price
(2012, doi:10.3102/1076998611411915) add them for paired proportions. Their size is the root mean square of the gains
that aren't 0: for 0/1 scores exactly 1.

One kind of data still fools it in small samples: rare, large regressions that the sample happens not to contain. Gains
of mean 0 that are lognormal to the left were promoted in 10 % of simulations with 50 samples, in 6.5 % with 200.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Numbers in memory at a time: 32 MiB of float64.
_CELLS: Final = 1 << 22
# Equal statistics may differ by rounding.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """The mean gain, its lower confidence bound, and the p-value of the hypothesis that it is at most the margin."""

    mean: float
    lower: float
    p_value: float


def lower_bound(
    gains: NDArray[np.float64],
    *,
    confidence: float,
    margin: float,
    resamples: int,
    seed: int,
    least_scale: float = 0.0,
) -> Bound:
    """Return the lower confidence bound of the mean of `gains`, one number per sample; the same seed gives the same.

    `least_scale` is the size of the pseudo-samples if no gain differs from 0: 1 for 0/1 scores.
    """
    [bound] = lower_bounds(
        gains[:, None], confidence=confidence, margin=margin, resamples=resamples, seed=seed, least_scale=least_scale
    )
    return bound


def lower_bounds(
    gains: NDArray[np.float64],
    *,
    confidence: float,
    margin: float,
    resamples: int,
    seed: int,
    least_scale: float = 0.0,
) -> list[Bound]:
    """Return the bound of each column of `gains`, as `lower_bound` does; all columns share the resamples."""
    padded = np.concatenate([gains, *_pseudo_samples(gains, least_scale)])
    count = len(padded)
    mean = padded.mean(axis=0)
    centred = padded - mean
    error = np.sqrt(np.square(centred).sum(axis=0) / (count - 1) / count)
    statistics = _statistics(centred, resamples, seed)
    # The largest number of resampled statistics above the bound's for which the p-value is at most 1 - confidence.
    above = max(int((1 - confidence) * (resamples + 1) + _ROUNDING) - 1, 0)
    place = resamples - 1 - above
    lower = mean - np.partition(statistics, place, axis=0)[place] * error
    return [
        Bound(
            mean=float(gains[:, column].mean()),
            lower=float(lower[column]),
            p_value=_p_value(statistics[:, column], float(mean[column] - margin), float(error[column])),
        )
        for column in range(gains.shape[1])
    ]


def _pseudo_samples(gains: NDArray[np.float64], least_scale: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    different = np.maximum((gains != 0).sum(axis=0), 1)
    scale = np.sqrt(np.square(gains).sum(axis=0) / different)[None, :]
    scale = np.where(scale > 0, scale, least_scale)
    return scale, -scale


def _statistics(centred: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Return the studentized mean of each resample, 0 where all resampled gains are equal."""
    count, columns = centred.shape
    random = np.random.default_rng(seed)
    squared = np.square(centred)
    rows = max(1, _CELLS // max(count, columns))
    statistics = []
    for start in range(0, resamples, rows):
        weights = _weights(random, min(rows, resamples - start), count)
        means = weights @ centred / count
        variances = np.maximum(weights @ squared / count - np.square(means), 0) / (count - 1)
        # A variance that is only rounding is none.
        is_varied = variances > _ROUNDING * squared.mean(axis=0) / count
        statistics.append(np.divide(means, np.sqrt(variances), out=np.zeros_like(means), where=is_varied))
    return np.concatenate(statistics)


def _weights(random: np.random.Generator, rows: int, count: int) -> NDArray[np.float64]:
    """Return how often each resample, a row each, draws each sample."""
    drawn = random.integers(0, count, size=(rows, count)) + count * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)


def _p_value(statistics: NDArray[np.float64], excess: float, error: float) -> float:
    if error == 0:
        return 1 / (len(statistics) + 1) if excess > 0 else 1.0
    observed = excess / error
    above = int((statistics >= observed - _ROUNDING * max(abs(observed), 1)).sum())
    return (above + 1) / (len(statistics) + 1)
