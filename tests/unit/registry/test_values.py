"""The values of metrics: the better direction, the ranking, and their forms."""

import math
import sys

import pytest

from workloads.registry import values


@pytest.mark.parametrize(
    ("metric", "maximized"),
    [
        ("val/loss", False),
        ("eval_loss", False),
        ("top1 error", False),
        ("latency ms", False),
        ("RMSE", False),
        ("accuracy.error", False),
        ("val/accuracy", True),
        ("f1-score", True),
        ("lr", None),
        ("glossary", None),
    ],
)
def test_the_direction_is_known_by_the_words_of_a_name(metric: str, maximized: bool | None) -> None:
    assert values.maximized(metric) is maximized


@pytest.mark.parametrize("maximize", [True, False])
def test_values_that_are_not_finite_rank_behind_finite_ones_and_before_missing_ones(maximize: bool) -> None:
    unordered = [None, math.inf, 2.0, math.nan, -1.0, -math.inf, sys.float_info.max]
    ranked = sorted(unordered, key=lambda value: values.rank(value, maximize=maximize))
    assert ranked[:2] == ([2.0, -1.0] if maximize else [-1.0, 2.0])
    assert ranked[-1] is None


def test_no_value_is_the_best_if_none_is_finite() -> None:
    assert values.best([None, math.nan, math.inf], maximize=True) is None


@pytest.mark.parametrize(
    ("value", "shown", "exact"),
    [
        (None, "-", None),
        (math.nan, "NaN", "NaN"),
        (math.inf, "inf", "Infinity"),
        (-math.inf, "-inf", "-Infinity"),
        (1 / 3, "0.333333", 1 / 3),
        (1234567.0, "1.23457e+06", 1234567.0),
    ],
)
def test_each_value_has_a_form_for_readers_and_one_for_programs(
    value: float | None, shown: str, exact: float | str | None
) -> None:
    assert (values.shown(value), values.exact(value)) == (shown, exact)


def test_the_largest_float_is_the_infinity_that_was_logged() -> None:
    largest = sys.float_info.max
    assert values.all_restored({"a": largest, "b": -largest, "c": 1.0}) == {"a": math.inf, "b": -math.inf, "c": 1.0}
