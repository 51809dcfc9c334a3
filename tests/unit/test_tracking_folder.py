"""MLflow's addresses that are a folder: which ones are, and what commands say about one that can't be used."""

from pathlib import Path

import pytest

from contracts import Env, Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry import select_best_run
from workloads.tracking_folder import folder_of


@pytest.fixture(autouse=True)
def working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("file:///data/mlruns", "/data/mlruns"),
        ("file://localhost/data/mlruns", "/data/mlruns"),
        ("file:/data/mlruns", "/data/mlruns"),
        ("file:///data/my%20runs", "/data/my runs"),
        ("file:///data/c#?/mlruns", "/data/c#?/mlruns"),
        ("/data/mlruns", "/data/mlruns"),
        ("file:./mlruns", "mlruns"),
        ("file:mlruns", "mlruns"),
        ("./mlruns", "mlruns"),
        ("../mlruns", "../mlruns"),
        ("mlruns", "mlruns"),
        ("runs/v1.2", "runs/v1.2"),
        (".runs", ".runs"),
    ],
)
def test_a_folder_is_named_by_a_file_address_or_a_path(uri: str, folder: str) -> None:
    assert folder_of(uri) == Path.cwd() / folder


@pytest.mark.parametrize(
    "uri",
    ["", "http://mlflow:5000", "mlflow:5000", "mlflow.example.com", "user@host", "sqlite:///mlflow.db", "10.0.0.1"],
)
def test_other_addresses_and_host_names_are_not_folders(uri: str) -> None:
    assert folder_of(uri) is None


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("file://mlruns", "file://mlruns names another machine: write file:FOLDER or file:///PATH."),
        ("file:", "file: needs a path, such as file:./mlruns."),
        ("file://", "file: needs a path, such as file:./mlruns."),
        ("nowhere", "there is no folder "),
        ("./a-file", "a-file is a file, not a folder."),
        (
            "my.runs",
            (
                "must be the address of MLflow, such as http://127.0.0.1:5000, "
                "sqlite:///mlflow.db or file:./mlruns, got 'my.runs'."
            ),
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_and_not_created(uri: str, words: str) -> None:
    Path("a-file").touch()
    with pytest.raises(WorkloadError) as refusal:
        Tracking(uri)
    assert refusal.value.code == Exit.USAGE
    assert str(refusal.value).startswith(Env.TRACKING_URI)
    assert words in str(refusal.value)
    assert list(Path().iterdir()) == [Path("a-file")]


@pytest.mark.parametrize("uri", ["file://user:s3cr3t@host/mlruns", "user:s3cr3t@host/mlruns"])
def test_a_password_in_a_wrong_address_is_not_printed(uri: str) -> None:
    with pytest.raises(WorkloadError) as refusal:
        Tracking(uri)
    assert "s3cr3t" not in str(refusal.value)


@pytest.mark.parametrize("form", ["file://{}", "mlruns", "./mlruns", "file:./mlruns"])
def test_every_form_reaches_the_same_runs(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path.cwd() / "mlruns"
    client = Tracking(str(folder), create=True).client
    run = client.create_run(client.create_experiment("e")).info.run_id
    client.log_metric(run, "loss", 0.5)
    client.set_terminated(run, "FINISHED")
    monkeypatch.setenv(Env.TRACKING_URI, form.format(folder))
    with pytest.raises(SystemExit) as end:
        cli.run(select_best_run.main, ["--experiment-name", "e", "--metric", "loss", "--minimize"])
    assert (end.value.code, capsys.readouterr().out) == (Exit.OK, f"{run}\n")


def test_a_refusal_of_folders_by_the_environment_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "false")
    with pytest.raises(WorkloadError, match="MLFLOW_ALLOW_FILE_STORE=true") as refusal:
        Tracking("mlruns", create=True)
    assert refusal.value.code == Exit.MLFLOW
