"""The model of a run in MLflow: fetching it, and registering it as a version."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow.artifacts
from mlflow.entities import LoggedModel, LoggedModelStatus, Run
from mlflow.exceptions import MlflowException

from contracts import Exit
from workloads import services
from workloads.cli import WorkloadError
from workloads.tracking_server import Tracking

_FOLDER = "model"
_EXISTS = "RESOURCE_ALREADY_EXISTS"
# A server whose pod is being replaced is back by then.
_ATTEMPTS = services.PATIENT_ATTEMPTS


@dataclass(frozen=True, kw_only=True, slots=True)
class RunModel:
    """A model that a run made.

    `source` is its address for the registry, `location` where its files are; `model_id` is its ID where MLflow keeps it
    as a logged model of its own.
    """

    run_id: str
    source: str
    location: str
    model_id: str | None


def find(tracking: Tracking, run_id: str) -> RunModel:
    """Return the last model that the run logged, else the artifacts under its `model` folder.

    Raises:
        WorkloadError: The run has no model (`Exit.NO_RUN`), or MLflow is dead.
    """
    run = tracking.ask(lambda: tracking.client.get_run(run_id), _ATTEMPTS)
    if logged := _logged(tracking, run):
        return RunModel(
            run_id=run_id,
            source=f"models:/{logged.model_id}",
            location=logged.artifact_location,
            model_id=logged.model_id,
        )
    if not tracking.ask(lambda: tracking.client.list_artifacts(run_id, _FOLDER), _ATTEMPTS):
        raise WorkloadError(f"The run {run_id} has logged no model: there is nothing to release.", Exit.NO_RUN)
    folder = f"{run.info.artifact_uri}/{_FOLDER}"
    return RunModel(run_id=run_id, source=folder, location=folder, model_id=None)


def download(tracking: Tracking, model: RunModel, directory: Path) -> None:
    """Fetch the model's files: they become the new directory `directory`.

    Raises:
        WorkloadError: Its artifacts can't be had.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    target = directory.with_name(f"{directory.name}.download")
    target.mkdir(parents=True)
    fetched = services.patiently(
        lambda: mlflow.artifacts.download_artifacts(
            artifact_uri=model.location, dst_path=str(target), tracking_uri=tracking.uri
        ),
        service=f"The artifact store at {model.location}",
        code=Exit.OBJECT_STORE,
        attempts=_ATTEMPTS,
    )
    # MLflow puts the files into a folder that is named as the last part of the address.
    Path(fetched).rename(directory)


def register(tracking: Tracking, model: RunModel, name: str, tags: Mapping[str, str]) -> str:
    """Return the version of the registered model `name` that `model` is, with `tags`; it is made if there is none.

    Raises:
        WorkloadError: MLflow is dead or refuses.
    """
    version = _version(tracking, model, name)
    if version is None:
        tracking.ask(lambda: _create_name(tracking, name), _ATTEMPTS)
        tracking.ask(lambda: _create_version(tracking, model, name, tags), _ATTEMPTS)
        # Read back: an answer that was lost and asked for again must not leave us with a second version.
        version = _version(tracking, model, name)
    if version is None:
        raise WorkloadError(f"MLflow made no version of {name!r}.", Exit.MLFLOW)
    for key, value in tags.items():
        tracking.ask(
            lambda key=key, value=value: tracking.client.set_model_version_tag(name, version, key, value), _ATTEMPTS
        )
    return version


def _logged(tracking: Tracking, run: Run) -> LoggedModel | None:
    outputs = sorted(run.outputs.model_outputs, key=lambda output: output.step) if run.outputs else []
    for output in reversed(outputs):
        model = tracking.ask(lambda output=output: tracking.client.get_logged_model(output.model_id), _ATTEMPTS)
        if model.status == LoggedModelStatus.READY:
            return model
    return None


def _version(tracking: Tracking, model: RunModel, name: str) -> str | None:
    found = tracking.ask(
        lambda: tracking.client.search_model_versions(f"name = '{name}' and run_id = '{model.run_id}'"), _ATTEMPTS
    )
    numbers = [int(version.version) for version in found if version.source == model.source]
    return str(min(numbers)) if numbers else None


def _create_name(tracking: Tracking, name: str) -> None:
    try:
        tracking.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != _EXISTS:
            raise


def _create_version(tracking: Tracking, model: RunModel, name: str, tags: Mapping[str, str]) -> None:
    if _version(tracking, model, name) is None:
        tracking.client.create_model_version(
            name, source=model.source, run_id=model.run_id, model_id=model.model_id, tags=dict(tags)
        )
