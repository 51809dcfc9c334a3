"""The error rate and the power of the paired bootstrap, by simulation, at 95 % confidence.

Each figure is the share of simulated comparisons in which the candidate is promoted. For equal models 5 % is right: the
share must be within 3 standard errors of it, 1.2 percentage points for 3,000 simulations of 0/1 scores and 2.1 for
1,000 of continuous ones. The simulations of a test share the resamples, as all comparisons with the same seed and the
same number of samples do.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from workloads.registry.policy.bootstrap import lower_bound, lower_bounds

BINARY_SIMULATIONS = 3_000
SIMULATIONS = 1_000
RESAMPLES = 6_000
FEWER_RESAMPLES = 2_000
CONFIDENCE = 0.95

Gains = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]


def tolerance(simulations: int) -> float:
    return 3 * math.sqrt(0.05 * 0.95 / simulations)


def promoted(gains: NDArray[np.float64]) -> float:
    """Return the share of the columns of `gains` that are promoted."""
    bounds = lower_bounds(gains, confidence=CONFIDENCE, margin=0, resamples=FEWER_RESAMPLES, seed=0)
    return float(np.mean([bound.lower > 0 for bound in bounds]))


def promoted_classifiers(samples: int, better: float, worse: float, margin: float = 0.0) -> float:
    """Return the share that is promoted of candidates that answer samples better or worse with these probabilities.

    Only the numbers of better and worse answers matter, so each pair of numbers is compared once.
    """
    drawn = np.random.default_rng(samples).multinomial(
        samples, [better, worse, 1 - better - worse], size=BINARY_SIMULATIONS
    )
    counts, times = np.unique(drawn[:, :2], axis=0, return_counts=True)
    places = np.arange(samples)[:, None]
    gains = (places < counts[:, 0]).astype(float) - (places >= samples - counts[:, 1])
    bounds = lower_bounds(gains, confidence=CONFIDENCE, margin=margin, resamples=RESAMPLES, seed=0, least_scale=1.0)
    return float(np.average([bound.lower > margin for bound in bounds], weights=times))


@pytest.mark.parametrize(
    ("samples", "different"), [(50, 0.02), (50, 0.1), (50, 0.4), (200, 0.02), (200, 0.1), (200, 0.4), (1000, 0.1)]
)
def test_equal_classifiers_are_promoted_in_at_most_5_percent(samples: int, different: float) -> None:
    share = promoted_classifiers(samples, different / 2, different / 2)
    assert share <= 0.05 + tolerance(BINARY_SIMULATIONS)
    # With few differing samples the possible outcomes are too few to come close to 5 %.
    if samples * different > 50:
        assert share >= 0.05 - tolerance(BINARY_SIMULATIONS)


@pytest.mark.parametrize(("samples", "margin"), [(50, -0.02), (50, 0.02), (200, -0.02), (200, 0.02), (1000, -0.02)])
def test_classifiers_at_the_margin_are_promoted_in_at_most_5_percent(samples: int, margin: float) -> None:
    share = promoted_classifiers(samples, 0.05 + margin / 2, 0.05 - margin / 2, margin)
    assert share <= 0.05 + tolerance(BINARY_SIMULATIONS)


EQUAL: dict[str, Gains] = {
    "normal": lambda random, shape: random.normal(size=shape),
    "squared errors": lambda random, shape: np.square(random.normal(size=shape)) - np.square(random.normal(size=shape)),
    "log losses": lambda random, shape: np.log(random.beta(5, 1, shape)) - np.log(random.beta(5, 1, shape)),
}


@pytest.mark.parametrize("samples", [50, 200, 1000])
@pytest.mark.parametrize("kind", EQUAL)
def test_equal_continuous_scores_are_promoted_in_5_percent(samples: int, kind: str) -> None:
    share = promoted(EQUAL[kind](np.random.default_rng(samples), (samples, SIMULATIONS)))
    assert abs(share - 0.05) <= tolerance(SIMULATIONS)


def test_models_that_hardly_differ_are_not_promoted_by_chance() -> None:
    random = np.random.default_rng(0)
    shape = (50, SIMULATIONS)
    assert promoted(random.normal(size=shape) * (random.random(shape) < 0.05)) <= 0.05 + tolerance(SIMULATIONS)


@pytest.mark.parametrize(
    ("samples", "better", "worse", "power"),
    [(50, 0.20, 0.02, 0.75), (200, 0.10, 0.02, 0.9), (1000, 0.05, 0.02, 0.95)],
)
def test_a_better_classifier_is_promoted(samples: int, better: float, worse: float, power: float) -> None:
    """Accuracies that differ by 18, 8 and 3 points: a power of at least 75, 90 and 95 %."""
    assert promoted_classifiers(samples, better, worse) >= power


@pytest.mark.parametrize(("samples", "power"), [(50, 0.6), (200, 0.99), (1000, 0.999)])
def test_a_gain_of_a_third_of_its_deviation_is_found(samples: int, power: float) -> None:
    gains = np.random.default_rng(2).normal(1 / 3, 1, (samples, SIMULATIONS))
    assert promoted(gains) >= power


def test_the_bound_is_the_same_for_the_same_seed_and_agrees_with_the_p_value() -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        gains = random.normal(0.2, 1, 60)

        def bound(seed: int, gains: NDArray[np.float64] = gains) -> tuple[float, float]:
            found = lower_bound(gains, confidence=0.95, margin=0, resamples=1999, seed=seed)
            return found.lower, found.p_value

        assert bound(1) == bound(1)
        assert bound(1) != bound(2)
        lower, p_value = bound(1)
        assert (lower > 0) == (p_value <= 0.05)


@pytest.mark.parametrize(("least_scale", "lower"), [(0.0, 0.0), (1.0, -0.05)])
def test_identical_models_gain_nothing_and_lose_little(least_scale: float, lower: float) -> None:
    bound = lower_bound(np.zeros(100), confidence=0.95, margin=0, resamples=1000, seed=0, least_scale=least_scale)
    assert bound.mean == 0
    assert lower <= bound.lower <= 0
    assert bound.p_value > 0.4
