"""A promotion on a laptop without a server: MLflow's registry, with the gate, is in the command's own process."""

import os
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.tracking._model_registry import utils as registry_utils

from contracts import Exit
from laptop import promote, start
from tests.support.tracking_store import Experiment
from tests.unit.laptop.conftest import exit_of
from workloads.mlflow_client import Tracking

MODEL = "laptop_pytorch_model"


@pytest.fixture(autouse=True)
def no_plugins_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow looks for the gate when it is first used, as in a new process."""
    monkeypatch.setattr(registry_utils, "_model_registry_store_registry", None)


@pytest.fixture
def trained(prepared_database: Path, folder: Path, tmp_path: Path) -> MlflowClient:
    """The client of a laptop's MLflow in which a run has logged a model."""
    assert exit_of(start.main, "--setup-only") == Exit.OK
    tracking = Tracking(os.environ["MLFLOW_TRACKING_URI"])
    experiment = Experiment(tracking, folder / "artifacts")
    os.environ["MLFLOW_EXPERIMENT_NAME"] = experiment.name
    files = tmp_path / "trained"
    files.mkdir()
    (files / "MLmodel").write_text("flavors: {}\n")
    experiment.log_model(experiment.run({"val/accuracy": 0.9}), files)
    return tracking.client


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text("version: 1\nname: accurate\nrules:\n  thresholds:\n    val/accuracy: {min: 0.8}\n")
    return path


def test_the_gate_lets_the_signed_version_become_the_candidate_and_the_champion(
    trained: MlflowClient, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_of(promote.main, "--policy", policy) == Exit.OK
    aliases = trained.get_registered_model(MODEL).aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"candidate": "1", "champion": "1"}
    assert exit_of(promote.main, "--policy", policy) == Exit.OK
    assert f"champion of {MODEL} is version 1 already" in capsys.readouterr().out


def test_the_gate_refuses_an_unsigned_version(trained: MlflowClient) -> None:
    experiment = trained.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    assert experiment is not None
    [model] = trained.search_logged_models([experiment.experiment_id])
    trained.create_registered_model(MODEL)
    trained.create_model_version(MODEL, f"models:/{model.model_id}", model.source_run_id, model_id=model.model_id)
    with pytest.raises(MlflowException, match="the guarded alias 'champion'"):
        trained.set_registered_model_alias(MODEL, "champion", "1")
