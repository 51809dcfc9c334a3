"""The baseline: which bins inputs of each form get, and that a bad file is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workloads.serving.watching.baseline import Baseline


def counts(baseline: Baseline) -> dict[str, dict[str, int]]:
    """Return the bins of each feature that aren't empty."""
    return {
        feature.name: {label: count for label, count in zip(feature.labels, feature.counts, strict=True) if count}
        for feature in baseline.features
    }


def names(inputs: object) -> list[str]:
    return [feature.name for feature in Baseline.of(inputs).features]


def test_numbers_are_spread_evenly_over_ten_bins() -> None:
    (feature,) = Baseline.of(pd.DataFrame({"age": range(1000)})).features
    assert feature.counts == pytest.approx((0, *[100] * 10, 0, 0), abs=1)


def test_missing_infinite_and_constant_numbers_have_bins_of_their_own() -> None:
    frame = pd.DataFrame({"gap": [1.0, np.nan, None, np.inf], "constant": 3.0, "absent": np.nan})
    assert counts(Baseline.of(frame)) == {
        "gap": {"up to 1": 1, "above 1": 1, "missing": 2},
        "constant": {"up to 3": 4},
        "absent": {"missing": 4},
    }


def test_a_constant_that_changes_leaves_its_bin_in_either_direction() -> None:
    baseline = Baseline.of(pd.DataFrame({"constant": [0.1] * 50}))
    _, (seen,) = baseline.count(pd.DataFrame({"constant": [0.0, np.float32(0.1), 0.2, np.nan]}))
    assert seen.tolist() == [1, 1, 1, 1]


def test_texts_that_repeat_are_categories_of_which_the_frequent_ones_are_kept() -> None:
    colours = ["red"] * 6 + ["blue"] * 3 + [None]
    baseline = Baseline.of(pd.DataFrame({"colour": colours}))
    assert counts(baseline) == {"colour": {"red": 6, "blue": 3, "missing": 1}}
    _, (seen,) = baseline.count(pd.DataFrame({"colour": ["blue", "green", None]}))
    assert seen.tolist() == [0, 1, 1, 1]
    many = Baseline.of({"a": [f"value {number % 80}" for number in range(800)], "b": np.zeros(800)})
    assert counts(many)["a"]["others"] == 300


def test_other_texts_are_measured_and_none_is_kept() -> None:
    baseline = Baseline.of([f"def f{number}(x):" for number in range(100)])
    assert names([f"def f{number}(x):" for number in range(100)]) == ["0: length", "0: letters", "0: known"]
    assert b"def f7" not in baseline.content
    _, (_, _, known) = baseline.count(["абвгд"])
    assert known.tolist()[0] == 1


def test_free_text_is_never_taken_for_a_category() -> None:
    baseline = Baseline.of({"prompt": ["def add(a, b):\n"] * 20}, texts={"prompt"})
    assert [feature.kind for feature in baseline.features] == ["number"] * 3


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 1, 8, 8), ["channel 0 mean", "channel 0 std", "channel 0 min", "channel 0 max"]),
        ((5, 8, 8, 2), [f"channel {number} {name}" for number in (0, 1) for name in ("mean", "std", "min", "max")]),
        ((5, 784), ["mean", "std", "min", "max"]),
        ((5, 2), ["0", "1"]),
        ((5,), ["0"]),
        ((0, 1, 8, 8), ["channel 0 mean", "channel 0 std", "channel 0 min", "channel 0 max"]),
    ],
)
def test_a_tensor_is_replaced_by_a_few_statistics_of_each_sample(shape: tuple[int, ...], expected: list[str]) -> None:
    assert names(np.ones(shape, dtype=np.float32)) == expected


@pytest.mark.parametrize(
    "served",
    [
        np.full((3, 1, 2, 2), 7, dtype=np.float32),
        {"pictures": np.full((3, 1, 2, 2), 7)},
        np.full((3, 1, 2, 2), 7).tolist(),
    ],
)
def test_a_tensor_is_the_same_whatever_its_name_and_type(served: Any) -> None:
    baseline = Baseline.of(np.full((10, 1, 2, 2), 7, dtype=np.uint8))
    rows, found = baseline.count(served)
    assert rows == 3
    assert [part.tolist() for part in found] == [[0, 3, 0, 0]] * 4


@pytest.mark.parametrize(
    "served", [pd.DataFrame({"prompt": ["ab"]}), pd.DataFrame({"text": ["ab"]}), ["ab"], "ab", {"prompt": ["ab"]}]
)
def test_a_single_column_may_have_any_name(served: Any) -> None:
    baseline = Baseline.of({"prompt": ["ab"] * 5}, texts={"prompt"})
    _, (length, _, _) = baseline.count(served)
    assert length.tolist() == [0, 1, 0, 0]


def test_a_column_that_is_absent_is_missing_in_every_sample() -> None:
    baseline = Baseline.of(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}))
    rows, (_, b) = baseline.count(pd.DataFrame({"a": [1.0, 2.0, 3.0], "c": 0}))
    assert (rows, b.tolist()[-1]) == (3, 3)


@pytest.mark.parametrize(
    "inputs", [[], "", None, {}, np.empty(0), pd.DataFrame(), pd.DataFrame({"a": []}), [[1], [1, 2]], object()]
)
def test_empty_and_odd_inputs_have_a_baseline(inputs: Any) -> None:
    baseline = Baseline.of(inputs)
    assert Baseline.parse(baseline.content) == baseline


def test_columns_without_a_measure_are_left_out() -> None:
    frame = pd.DataFrame({"when": pd.to_datetime(["2026-01-01"]), "list": [[1, 2]], "x": [1j], "n": [1]})
    assert names(frame) == ["n"]


def test_a_file_is_bounded_however_many_columns_there_are() -> None:
    wide = Baseline.of(pd.DataFrame(np.ones((10, 500))))
    assert (len(wide.features), wide.left_out) == (100, 400)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    numbers = np.array([-1e308, 0.1, 1e308] * 20)
    baseline = Baseline.of({"a": numbers, "b": ["x", "\ud800"] * 30, "c": ["é\ud800"] * 60}, texts={"c"})
    baseline.write(tmp_path / "baseline.json")
    assert Baseline.read(tmp_path / "baseline.json") == baseline


def damaged(number: int = 1, **changes: Any) -> bytes:
    """Return a file with `number` features, of which the first is changed."""
    content = json.loads(Baseline.of(pd.DataFrame({"a": [1.0, 2.0]})).content)
    content["features"] *= number
    content["features"][0] = content["features"][0] | changes
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON"),
        (b"{}", "samples: Field required"),
        (b'{"format": "aegis.baseline/2", "samples": 0, "features": []}', "format: Input should be"),
        (damaged(counts=[1]), "counts, got 1"),
        (damaged(counts=[0, 1, 1, -1, 0]), "greater than or equal to 0"),
        (damaged(edges=[1.0, 1.0, 1.0]), "must increase"),
        (damaged(edges=[1.0, float("inf"), 3.0]), "finite number"),
        (damaged(edges=list(map(float, range(1000)))), "at most 100 items"),
        (damaged(column="x" * 1000), "at most 500 characters"),
        (damaged(code="import os"), "Extra inputs are not permitted"),
        (damaged(number=101), "at most 100 items"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Baseline.parse(content)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "baseline.json").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ValueError, match="larger than 4 MiB"):
        Baseline.read(tmp_path / "baseline.json")
