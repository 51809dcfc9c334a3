"""The models that a training logs and registers, in a folder instead of a tracking server."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow.artifacts
import mlflow.pyfunc
import numpy as np
import pytest
import torch
from mlflow.entities import Metric
from mlflow.models import get_model_info

from workloads.mlflow_client import Tracking
from workloads.release import model as models
from workloads.serving.watching.baseline import BASELINE_FILE
from workloads.serving.watching.settings import Settings
from workloads.serving.watching.watcher import Watcher
from workloads.signing import packing
from workloads.training import classifier, export, outcome
from workloads.training.args import TrainingArgs
from workloads.training.checkpoints import Setup
from workloads.training.data import dataset
from workloads.training.network import ResidualNetwork, network_for
from workloads.training.processes import Processes
from workloads.training.run_log import MlflowRun
from workloads.training.session import Session

PYTORCH, PYFUNC = "digits_pytorch_model", "digits_model"


def session_in(folder: Path, **options: Any) -> Session:
    args = TrainingArgs(
        out_dir=folder, width=4, limit=64, tracking_uri=str(folder / "mlruns"), experiment_name="digits", **options
    )
    peers = Processes(rank=0, world_size=1, device=torch.device("cpu"))
    return Session(args=args, data=dataset.load(args), dtype="fp32", peers=peers, git_commit=None)


class Training:
    """A training whose models are logged, as often as a test restarts it."""

    def __init__(self, folder: Path) -> None:
        self.session = session_in(folder, register_models=True)
        self.network: ResidualNetwork = network_for(self.session.data, self.session.args).eval()
        self.first = self.log(step=7)

    @property
    def pictures(self) -> np.ndarray[Any, Any]:
        return self.session.data.validation.pictures.float().numpy()

    def log(self, step: int) -> dict[str, Any]:
        # The restarted process opens the run that the folder names.
        self.run = MlflowRun(uri=str(self.session.tracking_uri), facts=self.session.facts())
        return outcome._log_model(self.session, self.network, self.run, step)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Training]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        yield Training(tmp_path_factory.mktemp("training"))


def test_both_models_are_registered_with_signature_and_input_example(training: Training) -> None:
    assert training.first["registered_models"] == {PYTORCH: "1", PYFUNC: "1"}
    for name in (PYTORCH, PYFUNC):
        info = get_model_info(f"models:/{name}/1")
        assert info.signature is not None
        assert info.signature.inputs.inputs[0].shape == (-1, 1, 8, 8)
        assert info.signature.outputs is not None
        assert info.saved_input_example_info is not None
        assert info.run_id == training.first["run_id"]


@pytest.mark.parametrize("pictures", [0, 1, 300])
def test_the_pyfunc_returns_classes_and_probabilities(training: Training, pictures: int) -> None:
    pixels = training.pictures[:pictures]
    answer = mlflow.pyfunc.load_model(f"models:/{PYFUNC}/1").predict(pixels)
    with torch.no_grad():
        expected = training.network(torch.from_numpy(pixels)).softmax(dim=1).numpy()
    assert list(answer.columns) == ["class_index", "class_name", "probabilities"]
    assert len(answer) == len(pixels)
    assert answer["class_index"].tolist() == expected.argmax(axis=1).tolist()
    assert answer["class_name"].tolist() == [str(index) for index in answer["class_index"]]
    assert np.array(answer["probabilities"].tolist()).reshape(-1, 10) == pytest.approx(expected, abs=1e-5)


def test_the_pyfunc_brings_its_code_and_nothing_pickled(training: Training) -> None:
    folder = training.session.args.out_dir / export.PYFUNC_FOLDER
    assert (folder / "classifier.py").read_text() == Path(classifier.__file__).read_text()
    assert [path for path in folder.rglob("*") if path.suffix in {".pkl", ".pth", ".pickle"}] == []


def test_the_pyfunc_s_code_needs_nothing_of_this_repository() -> None:
    imports = [
        name
        for node in ast.walk(ast.parse(Path(classifier.__file__).read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    assert {name.split(".")[0] for name in imports} == {"mlflow", "numpy", "pandas", "torch"}


@pytest.mark.parametrize("name", [PYTORCH, PYFUNC])
def test_both_models_carry_the_baseline_of_their_training_and_it_is_signed(
    training: Training, tmp_path: Path, name: str
) -> None:
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path=str(tmp_path / "model")))
    signed = packing.package(folder, tmp_path / "model.tar.gz", {})
    assert BASELINE_FILE in [file.path for file in signed.files]
    watcher = Watcher.load(folder, Settings(rows=1000, minimum=50))
    watcher.observe(training.pictures, 0.1, ok=True)
    watcher.settle()
    assert watcher.summary()["state"] == "steady"


def test_a_training_can_keep_its_baseline_to_itself(tmp_path: Path) -> None:
    assert outcome._baseline(session_in(tmp_path, baseline=False)) is None


def test_a_restarted_training_registers_nothing_again_and_a_continued_one_does(training: Training) -> None:
    assert training.log(step=7) == training.first
    continued = training.log(step=9)
    assert continued["registered_models"] == {PYTORCH: "2", PYFUNC: "2"}
    ids = [result[key] for result in (training.first, continued) for key in ("model_id", "pyfunc_model_id")]
    assert len(set(ids)) == 4


def test_a_release_takes_the_pytorch_model(training: Training) -> None:
    logged = training.log(step=9)
    assert models.find(Tracking(str(training.session.tracking_uri)), logged["run_id"]).model_id == logged["model_id"]


def test_metrics_of_a_checkpoint_are_not_written_twice(training: Training) -> None:
    run = training.run
    logged, lost = ({"key": "loss", "value": value, "timestamp": 5, "step": 1} for value in (0.5, 0.25))
    run.client.log_batch(run.run_id, metrics=[Metric(**logged)])
    run.send_again([logged, lost])
    run.end("FINISHED")
    assert [metric.value for metric in run.client.get_metric_history(run.run_id, "loss")] == [0.5, 0.25]


@pytest.mark.parametrize(
    ("recorded", "complete"),
    [
        ({}, False),
        ({"registered_models": {PYTORCH: "1"}}, False),
        ({"registered_models": {PYTORCH: "1", PYFUNC: "1"}}, True),
    ],
)
def test_a_result_without_the_registrations_is_not_complete(
    tmp_path: Path, recorded: dict[str, Any], complete: bool
) -> None:
    session = session_in(tmp_path, register_models=True, max_epochs=1)
    setup = Setup.of(session.args, session.data.digest, 1)
    result = {"setup": setup.as_dict(), "epochs": 1, "run_id": "r", "registered_model": None} | recorded
    (tmp_path / outcome.RESULT_FILE).write_text(json.dumps(result))
    assert (outcome.result_of(session, setup) is not None) is complete
