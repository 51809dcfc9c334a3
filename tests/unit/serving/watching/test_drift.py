"""Drift: no false alarms at rest, however many features there are, and the power at stated shifts."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from workloads.serving.watching.baseline import Baseline
from workloads.serving.watching.drift import Finding, Limits, judge, population_stability

# The features of the simulations, and the samples that the training and the served model have.
FEATURES, TRAINED, SERVED = 20, 1500, 200


def found(baseline: Baseline, served: object, limits: Limits | None = None) -> dict[str, Finding]:
    _, counts = baseline.count(served)
    return {one.feature: one for one in judge(baseline.features, counts, limits or Limits())}


def drifted(baseline: Baseline, served: object) -> set[str]:
    return {name for name, one in found(baseline, served).items() if one.drifted}


def samples(random: np.random.Generator, rows: int, shift: float = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Return half numbers and half categories, of which the first number is shifted."""
    numbers = random.normal(size=(FEATURES // 2, rows))
    numbers[0] += shift
    letters = np.array(list("abcdefgh"), dtype=object)[random.binomial(7, 0.5, size=(FEATURES // 2, rows))]
    return {f"{part}{index}": row for part, rows in (("n", numbers), ("c", letters)) for index, row in enumerate(rows)}


def alarms(rounds: int, shift: float = 0) -> float:
    """Return the share of rounds, each with a training of its own, in which a feature has drifted."""
    random = np.random.default_rng(7)
    return float(
        np.mean(
            [
                bool(drifted(Baseline.of(samples(random, TRAINED)), samples(random, SERVED, shift)))
                for _ in range(rounds)
            ]
        )
    )


def test_at_rest_there_is_no_alarm_in_fifty_trainings_with_twenty_features() -> None:
    assert alarms(rounds=50) == 0


def test_at_rest_the_least_samples_that_are_judged_raise_no_alarm_either() -> None:
    random = np.random.default_rng(3)
    baseline = Baseline.of(samples(random, 100))
    assert [drifted(baseline, samples(random, 100)) for _ in range(20)] == [set()] * 20


def test_a_shift_of_one_feature_by_seven_tenths_of_its_deviation_is_found() -> None:
    assert alarms(rounds=20, shift=0.7) == 1


def test_many_samples_don_t_make_a_small_shift_a_drift() -> None:
    random = np.random.default_rng(1)
    baseline = Baseline.of(random.normal(size=20_000))
    one = found(baseline, random.normal(0.1, size=20_000))["0"]
    assert one.p is not None
    assert one.p < 1e-9
    assert not one.drifted


@pytest.mark.parametrize(
    ("trained", "served"),
    [
        (np.random.default_rng(0).normal(size=500), np.full(200, np.nan)),
        (np.random.default_rng(0).normal(size=500), np.random.default_rng(1).normal(0, 3, size=200)),
        (np.random.default_rng(0).normal(size=500), np.full(200, 1e9)),
        (np.full(500, 3.0), np.full(200, 2.0)),
        (["red", "blue"] * 250, ["red", "green"] * 100),
        ([f"def f{n}(): pass" for n in range(300)], [f"Пожалуйста, {n}" for n in range(150)]),
    ],
    ids=["missing", "wider", "far away", "constant", "new category", "another language"],
)
def test_a_change_of_any_kind_is_found(trained: Any, served: Any) -> None:
    assert drifted(Baseline.of(trained), served)


def test_too_few_samples_are_not_judged() -> None:
    baseline = Baseline.of(np.zeros(500))
    one = found(baseline, np.ones(99))["0"]
    assert (one.samples, one.psi, one.drifted) == (99, None, False)
    assert found(baseline, np.ones(100))["0"].drifted
    assert not drifted(Baseline.of(np.zeros(99)), np.ones(500))


def test_the_index_is_that_of_the_textbook() -> None:
    expected, seen = np.array([2000, 3000, 5000]), np.array([3000, 3000, 4000])
    before, now = expected / 10_000, seen / 10_000
    assert population_stability(expected, seen) == pytest.approx(
        ((now - before) * np.log(now / before)).sum(), rel=1e-3
    )


def test_the_p_values_are_those_of_scipy() -> None:
    random = np.random.default_rng(2)
    categories = random.choice(list("abc"), size=1000), random.choice(list("abc"), p=[0.4, 0.3, 0.3], size=400)
    one = found(Baseline.of(categories[0]), categories[1])["0"]
    table = [[np.count_nonzero(part == letter) for letter in "abc"] for part in categories]
    assert one.p == pytest.approx(stats.chi2_contingency(table)[1])  # pyright: ignore[reportArgumentType]


def test_the_statistic_of_kolmogorov_and_smirnov_is_at_most_that_of_the_values() -> None:
    random = np.random.default_rng(2)
    trained, served = random.normal(size=1000), random.normal(0.5, size=400)
    one = found(Baseline.of(trained), served)["0"]
    exact: Any = stats.ks_2samp(trained, served)
    assert one.ks is not None
    assert exact.statistic - 0.05 < one.ks <= exact.statistic
