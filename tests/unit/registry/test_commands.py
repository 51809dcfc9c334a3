"""The commands of `python -m workloads.registry`: their output, and what they refuse."""

import csv
import io
import json
import math
from pathlib import Path

import pytest

from contracts import Exit
from tests.support.tracking_store import Experiment
from tests.unit.registry.conftest import Registry, log_curve, rename
from workloads import retry
from workloads.mlflow_client import Tracking
from workloads.registry import compare_and_promote_models


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_the_table_marks_the_best_values(
    experiment: Experiment, run_registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    first = experiment.run({"val/loss": 0.25, "lr": 1, "f1": math.nan}, started=60_000)
    second = experiment.run({"val/loss": 0.5, "f1": math.inf}, started=120_000)
    rename(experiment, first, "日本\x1b[31m")
    rename(experiment, second, "x" * 50)
    shown = ("--metric", "val/loss", "--metric", "f1", "--metric", "lr")
    assert run_registry("compare", "--experiment-name", experiment.name, *shown) == Exit.OK
    assert lines(capsys.readouterr().out) == [
        ["run_name", "started", "run_id", "val/loss", "f1", "lr"],
        ["x" * 37 + "...", "1970-01-01", "00:02", second, "0.5", "inf", "-"],
        [r"日本\x1b[31m", "1970-01-01", "00:01", first, "0.25", "*", "NaN", "1"],
    ]


def test_the_given_direction_is_that_of_the_sorted_metric_only(
    experiment: Experiment, run_registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment.run({"score": 1, "loss": 1})
    experiment.run({"score": 2, "loss": 2})
    arguments = ("--experiment-name", experiment.name, "--sort", "score", "--minimize", "--json")
    assert run_registry("compare", *arguments) == Exit.OK
    printed = json.loads(capsys.readouterr().out)
    assert printed["maximize"] == {"score": False, "loss": False}
    assert [run["metrics"]["score"] for run in printed["runs"]] == [1, 2]


def test_json_is_strict(experiment: Experiment, run_registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    other = experiment.run({"loss": math.nan, "f1": -math.inf}, started=1, status="FAILED")
    run = experiment.run({"loss": 0.5}, started=2000)
    rename(experiment, run, "a")
    rename(experiment, other, "b")
    metrics = ("--metric", "loss", "--metric", "f1")
    assert run_registry("compare", "--experiment-name", experiment.name, "--all", *metrics, "--json") == Exit.OK
    printed = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    common = {"status": "FINISHED", "started": "1970-01-01T00:00:02+00:00"}
    assert printed == {
        "subject": f"experiment {experiment.name!r}",
        "complete": True,
        "sort": None,
        "best": {"loss": [run], "f1": []},
        "maximize": {"loss": False, "f1": True},
        "runs": [
            {"run_name": "a", "run_id": run, **common, "metrics": {"loss": 0.5, "f1": None}},
            {
                "run_name": "b",
                "run_id": other,
                "status": "FAILED",
                "started": "1970-01-01T00:00:00.001000+00:00",
                "metrics": {"loss": "NaN", "f1": "-Infinity"},
            },
        ],
    }


def test_csv_has_every_digit_and_keeps_hostile_names_in_their_field(
    experiment: Experiment, run_registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    run = experiment.run({"a b": 1 / 3})
    rename(experiment, run, 'x",\n"y')
    assert run_registry("compare", "--experiment-name", experiment.name, "--csv") == Exit.OK
    header, row = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["run_name", "status", "started", "run_id", "metrics.a b"]
    assert (row[0], row[3], float(row[4])) == ('x",\n"y', run, 1 / 3)


def test_a_cut_comparison_says_so_beside_the_output(
    experiment: Experiment, run_registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in (1, 2):
        experiment.run({"a": value})
    assert run_registry("compare", "--experiment-name", experiment.name, "--max-runs", "1", "--csv") == Exit.OK
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2
    assert printed.err == "1 run (there are more), newest first. --max-runs sets the number.\n"


def test_the_page_is_written_and_the_table_printed(
    experiment: Experiment, run_registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, run = tmp_path / "report.html", experiment.run({})
    log_curve(experiment, run, "loss", [2, 1])
    assert run_registry("compare", "--experiment-name", experiment.name, "--html", str(path)) == Exit.OK
    assert "<svg" in path.read_text()
    printed = capsys.readouterr()
    assert run in printed.out
    assert printed.err == f"wrote {path}\n"


def test_versions_are_compared_and_the_best_one_is_found(
    tracking: Tracking, experiment: Experiment, run_registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    tracking.client.create_registered_model('a "model"')
    for value in (0.5, 0.25, math.nan):
        tracking.client.create_model_version('a "model"', "file:///nowhere", experiment.run({"loss": value}))
    tracking.client.set_model_version_tag('a "model"', "2", "aegis.manifest.signature", "{}")
    tracking.client.set_registered_model_alias('a "model"', "champion", "2")
    named = ("--model-name", 'a "model"')
    assert run_registry("compare", *named, "--sort", "loss", "--json") == Exit.OK
    printed = json.loads(capsys.readouterr().out)
    assert [version["version"] for version in printed["versions"]] == ["2", "1", "3"]
    assert printed["best"] == {"loss": ["2"]}
    assert run_registry("best", *named, "--metric", "loss") == Exit.OK
    assert capsys.readouterr().out == "2\n"
    assert run_registry("best", *named, "--metric", "loss", "--maximize", "--json") == Exit.OK
    best = json.loads(capsys.readouterr().out)
    assert (best["version"], best["value"], best["signed"], best["aliases"]) == ("1", 0.5, False, [])


def test_the_best_run_is_the_lowest_where_the_name_says_so(
    experiment: Experiment, run_registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    low, high = experiment.run({"loss": 1}), experiment.run({"loss": 2})
    for direction, expected in ((), low), (("--maximize",), high):
        arguments = ("--experiment-name", experiment.name, "--metric", "loss", *direction)
        assert run_registry("best", *arguments) == Exit.OK
        assert capsys.readouterr().out == f"{expected}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("compare --experiment-name nowhere", Exit.NO_RUN, "MLflow has no experiment 'nowhere'."),
        ("compare --model-name nowhere", Exit.NO_RUN, "MLflow has no registered model 'nowhere'."),
        ("best --model-name nowhere", Exit.NO_RUN, "MLflow has no registered model 'nowhere'."),
        ("compare --experiment-name e --max-runs 0", Exit.USAGE, "must be a whole number of at least 1, got '0'"),
        ("compare --experiment-name e --maximize", Exit.USAGE, "--maximize and --minimize need --sort or --metric."),
        ("compare --experiment-name e --metric a`b", Exit.USAGE, "any of _ - . : /, got 'a`b'"),
        ("compare --experiment-name e --model-name m", Exit.USAGE, "not allowed with argument"),
        (
            "compare --model-name it's",
            Exit.USAGE,
            "without slash, colon and quote, and not '.' or start with '..', got \"it's\"",
        ),
        ("compare --model-name m --all", Exit.USAGE, "--filter and --all are for runs: not allowed with --model-name."),
        ("compare", Exit.USAGE, "one of the arguments --experiment-name --model-name is required"),
        ("", Exit.USAGE, "the following arguments are required: COMMAND"),
    ],
)
def test_bad_arguments_are_refused_with_a_reason(
    run_registry: Registry, capsys: pytest.CaptureFixture[str], arguments: str, code: Exit, message: str
) -> None:
    assert run_registry(*arguments.split()) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err.splitlines()[-1]


def test_an_unwritable_page_prints_no_table(
    experiment: Experiment, run_registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment.run({"a": 1})
    assert run_registry("compare", "--experiment-name", experiment.name, "--html", "/nowhere/x") == Exit.USAGE
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "error: /nowhere/x cannot be written: No such file or directory\n")


def test_a_dead_server_is_reported_in_one_line(
    run_registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert run_registry("compare", "--model-name", "m") == Exit.MLFLOW
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: MLflow at http://127.0.0.1:1 does not answer after 5 attempts")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("sqlite:////nowhere/mlflow.db", "the folder /nowhere of mlflow.db doesn't exist."),
        ("sqlite:///nothing.db", "there is no file nothing.db."),
        ("file:///nowhere", "there is no folder /nowhere."),
        ("file:nothing", "there is no folder "),
    ],
)
def test_a_store_that_does_not_exist_is_refused_and_not_created(
    run_registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    uri: str,
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert run_registry("compare", "--experiment-name", "e") == Exit.USAGE
    assert capsys.readouterr().err.startswith(f"error: MLFLOW_TRACKING_URI: {reason}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("action", ["compare", "best"])
def test_the_pipelines_command_compares_and_finds_the_best(
    experiment: Experiment, run_registry: Registry, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    low, high = experiment.run({"loss": 1}), experiment.run({"loss": 2})
    arguments = ("--experiment-name", experiment.name, "--action", action, "--metric", "loss")
    unused = ("--model-name", "m", "--stage", "Staging")
    main = compare_and_promote_models.main
    assert run_registry(*arguments, *unused, main=main) == Exit.OK
    printed = capsys.readouterr().out
    assert printed == f"{low}\n" if action == "best" else printed.index(low) < printed.index(high)
    assert run_registry(*arguments, "--maximize", main=main) == Exit.OK
    printed = capsys.readouterr().out
    assert printed == f"{high}\n" if action == "best" else printed.index(high) < printed.index(low)


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("--action", "compare"), "--action compare needs --experiment-name"),
        (("--action", "promote", "--model-name", "m"), "--action promote needs --experiment-name"),
        (("--action", "promote", "--experiment-name", "e"), "--action promote needs --model-name"),
        (("--action", "auto-promote"), "--action auto-promote needs --model-name"),
    ],
)
def test_the_pipelines_command_says_what_an_action_needs(
    run_registry: Registry, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], missing: str
) -> None:
    assert run_registry(*arguments, main=compare_and_promote_models.main) == Exit.USAGE
    assert capsys.readouterr().err == f"error: {missing}.\n"
