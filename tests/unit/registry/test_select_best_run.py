import json
from typing import Any

import pytest

from contracts import Exit
from tests.support.tracking_store import Experiment, not_finite
from workloads import cli, retry
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry import select_best_run as command
from workloads.registry import selection
from workloads.registry.selection import select_best_run


def best(tracking: Tracking, experiment: Experiment, *, maximize: bool = True) -> str:
    return select_best_run(tracking, experiment.name, "val/accuracy", maximize=maximize).run_id


def refusal(tracking: Tracking, name: str, metric: str = "val/accuracy") -> str:
    with pytest.raises(WorkloadError) as error:
        select_best_run(tracking, name, metric, maximize=True)
    assert error.value.code == Exit.NO_RUN
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_highest_or_the_lowest_value_wins(tracking: Tracking, experiment: Experiment) -> None:
    runs = [experiment.run({"val/accuracy": value}) for value in (0.5, 0.9, 0.1)]
    assert best(tracking, experiment) == runs[1]
    assert best(tracking, experiment, maximize=False) == runs[2]


@pytest.mark.parametrize("maximize", [True, False])
def test_a_value_that_is_not_finite_never_wins(tracking: Tracking, experiment: Experiment, maximize: bool) -> None:
    for value in not_finite():
        experiment.run({"val/accuracy": value}, started=9)
    good = experiment.run({"val/accuracy": 0.5})
    assert best(tracking, experiment, maximize=maximize) == good


@pytest.mark.parametrize("maximize", [True, False])
def test_of_equal_runs_the_newest_wins(tracking: Tracking, experiment: Experiment, maximize: bool) -> None:
    runs = [experiment.run({"val/accuracy": 0.5}, started=started) for started in (100, 300, 200)]
    assert best(tracking, experiment, maximize=maximize) == runs[1]


@pytest.mark.parametrize("status", ["FAILED", "KILLED", None])
def test_only_finished_runs_count(tracking: Tracking, experiment: Experiment, status: str | None) -> None:
    experiment.run({"val/accuracy": 0.99}, status=status)
    finished = experiment.run({"val/accuracy": 0.5})
    assert best(tracking, experiment) == finished


def test_the_last_value_of_a_metric_decides(tracking: Tracking, experiment: Experiment) -> None:
    fell = experiment.run({}, status=None)
    for step, value in enumerate((0.9, 0.2)):
        experiment.client.log_metric(fell, "val/accuracy", value, step=step)
    experiment.client.set_terminated(fell)
    steady = experiment.run({"val/accuracy": 0.5})
    assert best(tracking, experiment) == steady


def test_a_deleted_run_never_wins(tracking: Tracking, experiment: Experiment) -> None:
    deleted = experiment.run({"val/accuracy": 0.9})
    experiment.client.delete_run(deleted)
    left = experiment.run({"val/accuracy": 0.1})
    assert best(tracking, experiment) == left


def test_runs_on_every_page_count(tracking: Tracking, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "_PAGE_RUNS", 2)
    runs = [experiment.run({"val/accuracy": value / 10}, started=value) for value in (9, 1, 2, 3, 4)]
    assert best(tracking, experiment) == runs[0]
    assert best(tracking, experiment, maximize=False) == runs[1]


def test_a_missing_experiment_is_named(tracking: Tracking) -> None:
    assert refusal(tracking, "nowhere") == "MLflow has no experiment 'nowhere'."


def test_a_deleted_experiment_is_named(tracking: Tracking, experiment: Experiment) -> None:
    experiment.run({"val/accuracy": 0.5})
    experiment.client.delete_experiment(experiment.id)
    assert "was deleted" in refusal(tracking, experiment.name)


def test_an_experiment_without_runs_is_named(tracking: Tracking, experiment: Experiment) -> None:
    assert "has no run." in refusal(tracking, experiment.name)


def test_an_experiment_without_a_finished_run_is_reported_with_its_runs_states(
    tracking: Tracking, experiment: Experiment
) -> None:
    experiment.run({"val/accuracy": 0.5}, status="FAILED")
    experiment.run({"val/accuracy": 0.5}, status=None)
    assert "has no finished run (1 FAILED, 1 RUNNING)" in refusal(tracking, experiment.name)


def test_a_metric_that_no_run_has_is_named_with_the_existing_ones(tracking: Tracking, experiment: Experiment) -> None:
    experiment.run({"val/loss": 0.5, "lr": 0.1})
    experiment.run({"val/accuracy": 0.5}, status="FAILED")
    assert "has the metric 'val/accuracy'; they have: lr, val/loss." in refusal(tracking, experiment.name)


def test_a_metric_that_is_never_finite_is_named(tracking: Tracking, experiment: Experiment) -> None:
    experiment.run({"val/accuracy": float("nan")})
    assert "'val/accuracy' of every finished run is NaN or infinite" in refusal(tracking, experiment.name)


def exit_of(*argv: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.run(command.main, argv)
    return int(stop.value.code or 0)


def test_the_command_prints_the_run_as_json(
    tracking: Tracking,
    experiment: Experiment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    run = experiment.run({"val/accuracy": 0.75, "loss": float("nan")}, started=42, commit="c0ffee")
    assert exit_of("--experiment-name", experiment.name, "--metric", "val/accuracy", "--maximize", "--json") == Exit.OK
    printed = json.loads(capsys.readouterr().out)
    name = printed.pop("run_name")
    assert name
    assert printed == {
        "run_id": run,
        "experiment": experiment.name,
        "metric": "val/accuracy",
        "value": 0.75,
        "start_time": 42,
        "git_commit": "c0ffee",
        "metrics": {"val/accuracy": 0.75},
    }


def test_the_command_prints_only_the_id_by_default(
    tracking: Tracking,
    experiment: Experiment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    run = experiment.run({"loss": 0.5})
    experiment.run({"loss": 0.7})
    assert exit_of("--experiment-name", experiment.name, "--metric", "loss", "--minimize") == Exit.OK
    assert capsys.readouterr().out == f"{run}\n"


def test_a_dead_server_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert exit_of("--experiment-name", "e") == Exit.MLFLOW
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: MLflow at http://127.0.0.1:1 does not answer after 5 attempts")


def test_a_missing_address_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert exit_of("--experiment-name", "e") == Exit.USAGE
    assert "MLFLOW_TRACKING_URI is not set" in capsys.readouterr().err


def test_both_directions_at_once_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of("--experiment-name", "e", "--maximize", "--minimize") == Exit.USAGE
    assert "not allowed with" in capsys.readouterr().err


def test_only_the_winner_is_fetched(
    tracking: Tracking, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (0.5, 0.9, float("inf"), float("nan")):
        experiment.run({"val/accuracy": value})
    requested: list[tuple[int, int]] = []
    search = tracking.client.search_runs

    def spied(*args: Any, max_results: int, **options: Any) -> Any:
        page = search(*args, max_results=max_results, **options)
        requested.append((max_results, len(page)))
        return page

    monkeypatch.setattr(tracking.client, "search_runs", spied)
    best(tracking, experiment)
    assert requested == [(1, 1)]


def test_the_reason_is_found_without_fetching_every_run(
    tracking: Tracking, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "_PAGE_RUNS", 2)
    for _ in range(3):
        experiment.run({"loss": 0.5}, status="FAILED")
    assert "has no finished run (the newest: 2 FAILED)" in refusal(tracking, experiment.name)


@pytest.mark.parametrize("name", ["a`b", "a b\n", "'", "", "x" * 251])
def test_a_metric_name_that_mlflow_does_not_allow_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of("--experiment-name", "e", "--metric", name) == Exit.USAGE
    assert f"any of _ - . : /, got {name!r}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "\udcff"])
def test_an_experiment_name_that_mlflow_does_not_allow_is_refused(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_of("--experiment-name", name) == Exit.USAGE
    assert "must be 1 to 256 printable characters, got " in capsys.readouterr().err
