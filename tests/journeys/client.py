"""A data scientist's actions with the MLflow client, as one script that runs at any of the client's places.

usage: client.py ACTION...   (MLFLOW_TRACKING_URI is the address of the tracking server)
Prints a line of JSON for each action: its name, its duration in seconds, and the reason if it failed. The script
imports nothing of this repository, so that it runs in any environment with mlflow.
"""

import hashlib
import json
import os
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

EXPERIMENT = "journeys"
DIRECT = {
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "true",
    "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "1000",
}
MODEL = "journeys-model"
UNSIGNED = "journeys-unsigned"
# A model from code: without pickled objects or other packages.
CODE = """
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

class Doubled(PythonModel):
    def predict(self, context, model_input: list[float], params=None) -> list[float]:
        return [2 * number for number in model_input]

set_model(Doubled())
"""


def log() -> None:
    run = _run()
    now = int(time.time() * 1000)
    points = [Metric("loss", 1 / (step + 1), now, step) for step in range(50)]
    MlflowClient().log_batch(run, metrics=points, params=[Param("place", "here")])
    history = MlflowClient().get_metric_history(run, "loss")
    _expect(len(history) == 50, f"{len(history)} of 50 points")


def search() -> None:
    run = _run()
    found = mlflow.search_runs([_experiment()], filter_string=f"attributes.run_id = '{run}'", output_format="list")
    _expect([each.info.run_id for each in found] == [run], "the run is not found")


def small_file() -> None:
    _transfer(1000)


def large_file() -> None:
    _transfer(600 * 1000 * 1000)


def told_to_go_past_the_server() -> None:
    """Transfer a file with the variables that some users set everywhere because other platforms need them."""
    with patch.dict(os.environ, DIRECT):
        _transfer(2000)


def missing_file() -> None:
    download_artifacts(run_id=_run(), artifact_path="nothing.bin")


def load() -> None:
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "model.py"
        code.write_text(CODE)
        mlflow.set_experiment(EXPERIMENT)
        with mlflow.start_run():
            logged = mlflow.pyfunc.log_model(name="model", python_model=str(code), pip_requirements=[])
    version = mlflow.register_model(logged.model_uri, MODEL).version
    client = MlflowClient()
    client.set_registered_model_alias(MODEL, "journey", version)
    _expect(client.get_model_version_by_alias(MODEL, "journey").version == version, "the alias names another version")
    answer = mlflow.pyfunc.load_model(f"models:/{MODEL}@journey").predict([1.5])
    _expect(list(answer) == [3.0], f"the model returned {answer}")


def unsigned_champion() -> None:
    MlflowClient().set_registered_model_alias(UNSIGNED, "champion", _unsigned())


def unsigned_stage() -> None:
    MlflowClient().transition_model_version_stage(UNSIGNED, _unsigned(), "Production")


def _unsigned() -> str:
    """Register a version that nobody has signed, and return its number."""
    with suppress(MlflowException):
        MlflowClient().create_registered_model(UNSIGNED)
    run = _run()
    MlflowClient().log_text(run, "weights", "model/weights.bin")
    source = f"{MlflowClient().get_run(run).info.artifact_uri}/model"
    return MlflowClient().create_model_version(UNSIGNED, source=source, run_id=run).version


def _transfer(size: int) -> None:
    run = _run()
    with tempfile.TemporaryDirectory() as folder:
        sent = Path(folder) / "sent.bin"
        with sent.open("wb") as file:
            block = os.urandom(1000)
            for _ in range(size // 1000):
                file.write(block)
        MlflowClient().log_artifact(run, str(sent))
        received = Path(download_artifacts(run_id=run, artifact_path="sent.bin", dst_path=f"{folder}/in"))
        _expect(_digest(sent) == _digest(received), "the downloaded file differs")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _experiment() -> str:
    found = mlflow.get_experiment_by_name(EXPERIMENT)
    return found.experiment_id if found else mlflow.create_experiment(EXPERIMENT)


def _run() -> str:
    return MlflowClient().create_run(_experiment(), run_name=f"journey-{uuid.uuid4().hex[:8]}").info.run_id


def _expect(condition: bool, failure: str) -> None:
    if not condition:
        raise AssertionError(failure)


ACTIONS = {
    each.__name__: each
    for each in (
        log,
        search,
        small_file,
        large_file,
        told_to_go_past_the_server,
        missing_file,
        load,
        unsigned_champion,
        unsigned_stage,
    )
}


def main() -> int:
    for name in sys.argv[1:]:
        began = time.monotonic()
        reason = None
        try:
            ACTIONS[name]()
        except Exception as error:  # noqa: BLE001 - the test reports any failure
            reason = f"{type(error).__name__}: {error}"[:500]
        print(json.dumps({"action": name, "seconds": round(time.monotonic() - began, 1), "reason": reason}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
