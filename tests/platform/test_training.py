"""The trainer as a user runs it: real processes, real DeepSpeed, a real MLflow server on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from mlflow import MlflowClient
from sklearn.datasets import load_digits

from contracts import Env, Exit

ROOT = Path(__file__).parents[2]
EPOCHS = 4
STEPS = EPOCHS * (1437 // 32)
EXPERIMENT = "digits-under-test"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TRAINER = "workloads.training.train_deepspeed"
TWO_PROCESSES = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")

started: list[subprocess.Popen[bytes]] = []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Server:
    """An MLflow server with a SQLite database; `kill` ends all its processes at once."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db", "--workers", "1"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | settings, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 240
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < deadline, "the MLflow server did not come up"
            time.sleep(0.5)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/health", timeout=2).ok
        except requests.RequestException:
            return False

    def kill(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Trainer:
    """A running trainer; its output goes to files, so that waiting for a line never blocks it."""

    out_dir: Path
    process: subprocess.Popen[bytes]

    @property
    def stderr(self) -> str:
        return self.out_dir.with_suffix(".stderr").read_text()

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 300
        while text not in self.stderr:
            assert self.process.poll() is None, self.stderr
            assert time.monotonic() < deadline, self.stderr
            time.sleep(0.02)

    def end(self) -> int:
        return self.process.wait(timeout=400)

    def result(self) -> dict[str, Any]:
        assert self.end() == Exit.OK, self.stderr
        return json.loads(self.out_dir.with_suffix(".stdout").read_text())


def train(out_dir: Path, *options: str, uri: str | None, launcher: tuple[str, ...] = (sys.executable,)) -> Trainer:
    environment = os.environ | {"PYTHONPATH": str(ROOT), Env.GIT_COMMIT: COMMIT}
    if uri:
        environment[Env.TRACKING_URI] = uri
    command = [*launcher, "-m", TRAINER, "--out-dir", str(out_dir), "--max-epochs", str(EPOCHS), "--json"]
    command += ["--experiment-name", EXPERIMENT, *options]
    with out_dir.with_suffix(".stdout").open("wb") as stdout, out_dir.with_suffix(".stderr").open("wb") as stderr:
        started.append(subprocess.Popen(command, env=environment, stdout=stdout, stderr=stderr, cwd=ROOT))
    return Trainer(out_dir, started[-1])


def logged_steps(uri: str, run_id: str) -> list[int]:
    return sorted({metric.step for metric in MlflowClient(uri).get_metric_history(run_id, "step/loss")})


@pytest.fixture(autouse=True)
def no_trainer_outlives_its_test() -> Iterator[None]:
    yield
    for process in started:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    mlflow = Server(tmp_path_factory.mktemp("mlflow"))
    mlflow.start()
    yield mlflow
    mlflow.kill()


@pytest.fixture(scope="module")
def trained(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Complete a training in one process and return its folder and result."""
    out_dir = tmp_path_factory.mktemp("trained") / "out"
    return out_dir, train(out_dir, "--register", "digits-under-test", "--register-models", uri=server.uri).result()


def test_a_training_reaches_its_accuracy_and_is_logged_completely(
    server: Server, trained: tuple[Path, dict[str, Any]]
) -> None:
    _, result = trained
    client = MlflowClient(server.uri)
    run = client.get_run(result["run_id"])
    assert run.info.status == "FINISHED"
    assert result["val/accuracy"] == run.data.metrics["val/accuracy"] >= 0.95
    assert logged_steps(server.uri, run.info.run_id) == list(range(1, STEPS + 1))
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "val/loss")] == [1, 2, 3, 4]
    assert run.data.params["batch_size"] == "32"
    assert run.data.params["dataset_sha256"] == result["dataset_sha256"]
    assert run.data.tags["mlflow.source.git.commit"] == COMMIT
    assert run.inputs
    assert run.inputs.dataset_inputs[0].dataset.name == "digits"
    assert "config.json" in [file.path for file in client.list_artifacts(run.info.run_id)]
    assert client.get_model_version("digits-under-test", result["model_version"]).run_id == run.info.run_id


def test_the_model_loads_without_the_trainers_code_and_classifies_plain_pixels(
    server: Server, trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    pixels, labels = load_digits(return_X_y=True)
    np.save(tmp_path / "pixels.npy", pixels.reshape(-1, 1, 8, 8).astype("float32"))
    script = (
        "import sys, mlflow, numpy\n"
        "for number, uri in enumerate(sys.argv[1:]):\n"
        "    model = mlflow.pyfunc.load_model(uri)\n"
        "    assert model.metadata.signature.inputs.inputs[0].shape == (-1, 1, 8, 8)\n"
        "    assert model.metadata.saved_input_example_info\n"
        "    numpy.save(f'logits-{number}.npy', model.predict(numpy.load('pixels.npy')))\n"
    )
    uris = (str(trained[0] / "model"), "models:/digits-under-test/1", f"runs:/{trained[1]['run_id']}/model")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", script, *uris]
    subprocess.run(command, cwd=tmp_path, env=environment | {Env.TRACKING_URI: server.uri}, check=True)
    for number in range(len(uris)):
        assert (np.load(tmp_path / f"logits-{number}.npy").argmax(axis=1) == labels).mean() > 0.97


def test_the_pyfunc_loads_without_the_trainers_code_and_names_the_classes(
    server: Server, trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    assert trained[1]["registered_models"][f"{EXPERIMENT}_model"] == "1"
    pixels, labels = load_digits(return_X_y=True)
    np.save(tmp_path / "pixels.npy", pixels.reshape(-1, 1, 8, 8).astype("float32"))
    script = (
        "import sys, mlflow, numpy\n"
        "answer = mlflow.pyfunc.load_model(sys.argv[1]).predict(numpy.load('pixels.npy'))\n"
        "assert not [name for name in sys.modules if name.startswith('workloads')]\n"
        "answer.to_json('answer.json', orient='records')\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", script, f"models:/{EXPERIMENT}_model/1"]
    subprocess.run(command, cwd=tmp_path, env=environment | {Env.TRACKING_URI: server.uri}, check=True)
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert np.mean([row["class_index"] == label for row, label in zip(answer, labels, strict=True)]) > 0.97
    assert all(row["class_name"] == str(row["class_index"]) for row in answer)
    assert [sum(row["probabilities"]) for row in answer] == pytest.approx([1] * len(labels))


def test_a_stopped_training_resumes_in_the_same_run_with_the_same_result(
    server: Server, trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    stopped = train(tmp_path / "out", uri=server.uri)
    stopped.wait_for("epoch 1/")
    stopped.process.send_signal(signal.SIGTERM)
    assert stopped.end() == Exit.INTERRUPTED
    assert "resumes from there" in stopped.stderr
    run_id = json.loads((tmp_path / "out" / "run.json").read_text())["run_id"]
    assert MlflowClient(server.uri).get_run(run_id).info.status == "KILLED"
    assert len(logged_steps(server.uri, run_id)) < STEPS
    result = train(tmp_path / "out", uri=server.uri).result()
    assert result["run_id"] == run_id
    assert MlflowClient(server.uri).get_run(run_id).info.status == "FINISHED"
    assert logged_steps(server.uri, run_id) == list(range(1, STEPS + 1))
    assert result["val/loss"] == trained[1]["val/loss"]


def test_two_processes_with_zero_stop_and_resume_together(server: Server, tmp_path: Path) -> None:
    options = ("--zero-stage", "2")
    stopped = train(tmp_path / "out", *options, uri=server.uri, launcher=TWO_PROCESSES)
    stopped.wait_for("epoch 2/")
    stopped.process.send_signal(signal.SIGTERM)
    stopped.end()
    run_id = json.loads((tmp_path / "out" / "run.json").read_text())["run_id"]
    assert MlflowClient(server.uri).get_run(run_id).info.status == "KILLED"
    result = train(tmp_path / "out", *options, uri=server.uri, launcher=TWO_PROCESSES).result()
    assert (result["run_id"], result["steps"], result["world_size"]) == (run_id, STEPS, 2)
    assert logged_steps(server.uri, run_id) == list(range(1, STEPS + 1))
    assert result["val/accuracy"] >= 0.95
    assert MlflowClient(server.uri).get_run(run_id).info.status == "FINISHED"


def test_no_metric_is_lost_when_the_server_is_killed_during_a_training(server: Server, tmp_path: Path) -> None:
    trainer = train(tmp_path / "out", uri=server.uri)
    trainer.wait_for("epoch 1/")
    server.kill()
    trainer.wait_for(f"epoch {EPOCHS}/")
    server.start()
    result = trainer.result()
    assert logged_steps(server.uri, result["run_id"]) == list(range(1, STEPS + 1))
    assert MlflowClient(server.uri).get_run(result["run_id"]).info.status == "FINISHED"


def test_a_dead_server_ends_a_training_before_its_first_step(tmp_path: Path) -> None:
    trainer = train(tmp_path / "out", uri=f"http://127.0.0.1:{free_port()}")
    assert trainer.end() == Exit.MLFLOW
    assert "does not answer after 5 attempts: [Errno 111] Connection refused" in trainer.stderr.splitlines()[-1]
    assert "epoch" not in trainer.stderr


def test_a_complete_training_is_not_repeated_and_needs_no_server(trained: tuple[Path, dict[str, Any]]) -> None:
    options = ("--register", "digits-under-test", "--register-models")
    again = train(trained[0], *options, uri=f"http://127.0.0.1:{free_port()}")
    assert again.result() == trained[1]
    assert "nothing to do" in again.stderr
