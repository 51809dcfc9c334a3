"""The histories of metrics: sampled by the store or the server, and thinned."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import Exit
from tests.support.fake_mlflow import API, FakeMlflow
from tests.support.tracking_store import Experiment
from tests.unit.registry.conftest import log_curve
from workloads import retry
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry import curves
from workloads.registry.curves import Point

SAMPLED = "/api/2.0/mlflow/metrics/get-history-bulk-interval"


def test_a_history_is_read_in_the_order_of_its_steps(tracking: Tracking, experiment: Experiment) -> None:
    run_id, other = experiment.run({}), experiment.run({})
    log_curve(experiment, run_id, "a/b c", [3, math.nan, math.inf])
    found = curves.read(tracking, [run_id, other], "a/b c")
    assert list(found) == [run_id]
    first, second, third = found[run_id]
    assert first == Point(1, 1000, 3)
    assert (second.step, math.isnan(second.value)) == (2, True)
    assert third == Point(3, 3000, math.inf)


def test_a_long_history_is_sampled_with_its_ends(tracking: Tracking, experiment: Experiment) -> None:
    run_id = experiment.run({})
    log_curve(experiment, run_id, "a", [float(value) for value in range(100)])
    found = curves.read(tracking, [run_id], "a", most=10)[run_id]
    assert len(found) <= 10
    assert (found[0].value, found[-1].value) == (0, 99)


@settings(max_examples=50)
@given(length=st.integers(0, 300), most=st.integers(2, 50))
def test_a_thinned_curve_keeps_its_order_and_its_ends(length: int, most: int) -> None:
    points = [Point(step, step, step) for step in range(length)]
    thinned = curves.thinned(points, most)
    assert len(thinned) == min(length, most)
    assert thinned == sorted(set(thinned))
    assert thinned[:1] + thinned[-1:] == points[:1] + points[-1:]


def answered(fake: FakeMlflow, *metrics: dict[str, object]) -> dict[str, list[Point]]:
    fake.bad[SAMPLED] = (200, json.dumps({"metrics": metrics}).encode())
    return curves.read(Tracking(fake.address), ["r1", "r2"], "a")


def test_a_server_samples_the_history(fake: FakeMlflow) -> None:
    found = answered(
        fake,
        {"run_id": "r1", "key": "a", "value": 0.5, "timestamp": "7", "step": "2"},
        {"run_id": "r1", "key": "a", "value": "NaN", "timestamp": 6},
        {"run_id": "r2", "key": "a", "value": "-Infinity", "timestamp": 6, "step": 1},
    )
    assert found["r1"][1] == Point(2, 7, 0.5)
    assert math.isnan(found["r1"][0].value)
    assert found["r2"] == [Point(1, 6, -math.inf)]
    assert fake.requests == [SAMPLED]


def test_a_server_that_cannot_sample_is_asked_for_the_whole_history(fake: FakeMlflow) -> None:
    fake.bad[SAMPLED] = (404, b"<h1>Not Found</h1>")
    history = [{"key": "a", "value": step, "timestamp": step, "step": step} for step in range(1000)]
    fake.bad[f"{API}/metrics/get-history"] = (200, json.dumps({"metrics": history}).encode())
    found = curves.read(Tracking(fake.address), ["r1"], "a")["r1"]
    assert len(found) == curves.POINTS
    assert (found[0].step, found[-1].step) == (0, 999)


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (200, b'{"metrics": [{"value": "x"}]}'), (500, b"{}"), (403, b"{}")]
)
def test_a_bad_answer_is_one_clear_error(
    fake: FakeMlflow, status: int, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    fake.bad[SAMPLED] = (status, body)
    with pytest.raises(WorkloadError, match=r"^MLflow at http://127\.0\.0\.1") as refused:
        curves.read(Tracking(fake.address), ["r1"], "a")
    assert refused.value.code == Exit.MLFLOW
