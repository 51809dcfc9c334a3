"""The comparison of runs and model versions in an MLflow store, as notebooks use it."""

import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from mlflow.entities import LoggedModelOutput, Metric

from aegis import evidence
from contracts import Exit
from tests.support.tracking_store import Experiment, not_finite
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry import runs, versions
from workloads.registry.comparison import compare_runs, compare_versions, read_runs
from workloads.registry.row import Order
from workloads.registry.versions import select_best_version


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracking:
    """Return the client of a store in a folder."""
    # Restores the variable, which the client sets.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    return Tracking((tmp_path / "mlruns").as_uri(), create=True)


@pytest.fixture(params=["database", "folder"])
def either(request: pytest.FixtureRequest) -> Tracking:
    return request.getfixturevalue("tracking" if request.param == "database" else "folder")


@pytest.fixture
def model(tracking: Tracking) -> Iterator[str]:
    tracking.client.create_registered_model("m")
    yield "m"
    tracking.client.delete_registered_model("m")


def refusal(tracking: Tracking, experiment: Experiment, *metrics: str, chosen: runs.Chosen) -> WorkloadError:
    with pytest.raises(WorkloadError) as refused:
        read_runs(tracking, experiment.name, metrics, Order(), chosen)
    return refused.value


def test_runs_are_a_data_frame_with_the_metrics_that_all_have(tracking: Tracking, experiment: Experiment) -> None:
    older = experiment.run({"val/loss": 0.5, "f1": 0.1, "system/cpu": 1}, started=1000)
    newer = experiment.run({"val/loss": math.nan, "f1": 0.2, "rare": 3, "system/cpu": 1}, started=2000)
    experiment.run({}, started=1)
    frame = compare_runs(tracking, experiment.name)
    assert list(frame.columns) == ["run_name", "status", "started", "run_id", "metrics.f1", "metrics.val/loss"]
    assert list(frame["run_id"][:2]) == [newer, older]
    assert frame["started"].tolist()[1] == pd.Timestamp(1, unit="s", tz="UTC")
    assert frame["metrics.f1"][:2].tolist() == [0.2, 0.1]
    assert frame["metrics.val/loss"].isna().tolist() == [True, False, True]
    assert all(frame[name].dtype == "float64" for name in frame.columns if name.startswith("metrics."))


def test_without_a_common_metric_all_are_compared(tracking: Tracking, experiment: Experiment) -> None:
    experiment.run({"a": 1})
    experiment.run({"b": 1})
    assert list(compare_runs(tracking, experiment.name).columns)[4:] == ["metrics.a", "metrics.b"]


@pytest.mark.parametrize("maximize", [True, False])
def test_the_best_finite_values_come_first_and_the_rest_follows(
    either: Tracking, tmp_path: Path, maximize: bool
) -> None:
    experiment = Experiment(either, tmp_path)
    low, high = experiment.run({"a/b c": -1}), experiment.run({"a/b c": 2})
    odd = {experiment.run({"a/b c": value}, started=9) for value in not_finite()}
    missing = experiment.run({"other": 1}, started=10)
    frame = compare_runs(either, experiment.name, sort="a/b c", maximize=maximize)
    assert list(frame["run_id"][:2]) == ([high, low] if maximize else [low, high])
    assert set(frame["run_id"][2:5]) == odd
    assert frame["run_id"].tolist()[5] == missing
    few = compare_runs(either, experiment.name, sort="a/b c", maximize=maximize, most=3)
    assert list(few["run_id"][:2]) == ([high, low] if maximize else [low, high])
    assert len(few) == 3


def test_by_default_the_name_of_the_metric_says_which_end_comes_first(
    tracking: Tracking, experiment: Experiment
) -> None:
    first, second = experiment.run({"loss": 1, "score": 1}), experiment.run({"loss": 2, "score": 2})
    assert list(compare_runs(tracking, experiment.name, sort="loss")["run_id"]) == [first, second]
    assert list(compare_runs(tracking, experiment.name, sort="score")["run_id"]) == [second, first]


def test_runs_on_every_page_are_compared_once(
    either: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_PAGE_RUNS", 2)
    experiment = Experiment(either, tmp_path)
    made = [experiment.run({"a": value}, started=value) for value in range(1, 6)]
    assert list(compare_runs(either, experiment.name)["run_id"]) == made[::-1]
    assert list(compare_runs(either, experiment.name, sort="a", maximize=False)["run_id"]) == made


def test_a_comparison_says_if_there_are_more_runs(tracking: Tracking, experiment: Experiment) -> None:
    for value in range(3):
        experiment.run({"a": value})
    cut, whole = (
        read_runs(tracking, experiment.name, [], Order(sort="a", most=most), runs.Chosen()) for most in (2, 3)
    )
    assert (cut.complete, cut.summary) == (False, "2 runs (there are more), highest a first.")
    assert (whole.complete, whole.summary) == (True, "3 runs, highest a first.")


def test_only_finished_runs_that_match_the_filter_are_compared(tracking: Tracking, experiment: Experiment) -> None:
    experiment.run({"a": 1})
    good = experiment.run({"a": 2})
    failed = experiment.run({"a": 3}, status="FAILED")
    wide = "metrics.a > 1"
    assert list(compare_runs(tracking, experiment.name, filter_string=wide)["run_id"]) == [good]
    every = compare_runs(tracking, experiment.name, filter_string=wide, finished=False)
    assert set(every["run_id"]) == {good, failed}


def test_a_metric_that_no_run_has_is_refused_with_the_existing_ones(tracking: Tracking, experiment: Experiment) -> None:
    experiment.run({"val/loss": 1, "lr": 1})
    error = refusal(tracking, experiment, "lr", "acc", chosen=runs.Chosen())
    assert error.code == Exit.NO_RUN
    assert str(error).endswith(f"{experiment.name!r} has the metric 'acc'; they have: lr, val/loss.")


@pytest.mark.parametrize("expression", ["metrics.a >", "nonsense", "metrics.a = 'x'", "metrics.a > 1 OR metrics.a < 0"])
def test_an_invalid_filter_is_refused(tracking: Tracking, experiment: Experiment, expression: str) -> None:
    error = refusal(tracking, experiment, chosen=runs.Chosen(filter_string=expression))
    assert error.code == Exit.USAGE
    assert str(error).startswith(f"--filter {expression!r} is not a filter of MLflow: ")


def test_a_filter_that_no_run_matches_is_named(tracking: Tracking, experiment: Experiment) -> None:
    experiment.run({"a": 1})
    error = refusal(tracking, experiment, chosen=runs.Chosen(filter_string="metrics.a > 1"))
    assert error.code == Exit.NO_RUN
    assert str(error) == f"No finished run of the experiment {experiment.name!r} matches 'metrics.a > 1'."


def test_versions_are_a_data_frame_with_aliases_stages_and_signatures(
    tracking: Tracking, experiment: Experiment, model: str
) -> None:
    client = tracking.client
    run_ids = [experiment.run({"loss": value}) for value in (0.5, 0.25, math.inf)]
    for run_id in run_ids:
        client.create_model_version(model, "file:///nowhere", run_id)
    client.set_model_version_tag(model, "2", evidence.MANIFEST, "1:")
    client.set_model_version_tag(model, "2", evidence.SIGNATURE, "{}")
    client.set_registered_model_alias(model, "champion", "2")
    client.set_registered_model_alias(model, "best", "2")
    client.transition_model_version_stage(model, "1", "Staging")
    frame = compare_versions(tracking, model)
    assert list(frame["version"]) == ["3", "2", "1"]
    assert list(frame["aliases"]) == [(), ("best", "champion"), ()]
    assert list(frame["stage"].fillna("")) == ["", "", "Staging"]
    assert list(frame["signed"]) == [False, True, False]
    assert list(frame["run_id"]) == run_ids[::-1]
    assert list(frame["metrics.loss"]) == [math.inf, 0.25, 0.5]
    assert list(compare_versions(tracking, model, sort="loss", most=2)["version"]) == ["2", "1"]


def test_versions_on_every_page_are_compared_by_number(
    tracking: Tracking, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "_PAGE", 4)
    for _ in range(11):
        tracking.client.create_model_version(model, "file:///nowhere")
    assert list(compare_versions(tracking, model)["version"]) == [str(number) for number in range(11, 0, -1)]
    assert list(compare_versions(tracking, model, most=2)["version"]) == ["11", "10"]


def test_the_metrics_of_a_logged_model_win_over_those_of_its_run(
    tracking: Tracking, experiment: Experiment, model: str
) -> None:
    run_id = experiment.run({"loss": 0.5, "f1": 0.9})
    logged = tracking.client.create_logged_model(experiment.id, name="epoch-1", source_run_id=run_id)
    tracking.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 1)])
    tracking.client.log_batch(run_id, [Metric("loss", 0.75, 0, 0, logged.model_id, "d", "1", run_id)])
    tracking.client.create_model_version(model, f"models:/{logged.model_id}", run_id, model_id=logged.model_id)
    [f1], [loss] = (compare_versions(tracking, model)[f"metrics.{name}"] for name in ("f1", "loss"))
    assert (f1, loss) == (0.9, 0.75)


def test_a_version_without_its_run_is_compared_without_metrics(
    tracking: Tracking, experiment: Experiment, model: str
) -> None:
    tracking.client.create_model_version(model, "file:///nowhere", experiment.run({"loss": 0.5}))
    tracking.client.create_model_version(model, "file:///nowhere", "0" * 32)
    frame = compare_versions(tracking, model)
    assert frame["metrics.loss"].isna().tolist() == [True, False]


def test_the_best_version_has_the_best_finite_value_and_of_equal_ones_the_highest_number(
    tracking: Tracking, experiment: Experiment, model: str
) -> None:
    for value in (0.5, 0.25, 0.25, math.nan, -math.inf):
        tracking.client.create_model_version(model, "file:///nowhere", experiment.run({"loss": value}))
    best = select_best_version(tracking, model, "loss", maximize=False)
    assert (best.version, best.value, best.signed) == ("3", 0.25, False)


def test_a_model_without_a_version_is_refused(tracking: Tracking, model: str) -> None:
    for choose in (compare_versions, lambda tracking, name: select_best_version(tracking, name, "loss", maximize=True)):
        with pytest.raises(WorkloadError, match="The registered model 'm' has no version") as refused:
            choose(tracking, model)
        assert refused.value.code == Exit.NO_RUN


def test_the_best_version_needs_a_finite_value(tracking: Tracking, experiment: Experiment, model: str) -> None:
    tracking.client.create_model_version(model, "file:///nowhere", experiment.run({"loss": math.nan}))
    for metric, reason in (("loss", "of every version is NaN or infinite"), ("f1", "'f1'; they have: loss")):
        with pytest.raises(WorkloadError, match=reason) as refused:
            select_best_version(tracking, model, metric, maximize=True)
        assert refused.value.code == Exit.NO_RUN
