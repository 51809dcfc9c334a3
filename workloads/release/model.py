"""Find and fetch the model of a run in MLflow, and register it as a version."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import LoggedModel, LoggedModelStatus, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from contracts import Exit
from workloads import services
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking, or_none
from workloads.release import artifacts

_FOLDER = "model"
_EXISTS = "RESOURCE_ALREADY_EXISTS"
# Enough for a tracking server whose pod is being replaced.
_ATTEMPTS = services.PATIENT_ATTEMPTS


@dataclass(frozen=True, kw_only=True, slots=True)
class RunModel:
    """A model that a run logged.

    `source` is its address for the registry, `location` that of its files; `model_id` is its ID if it is a logged model
    of MLflow.
    """

    run_id: str
    source: str
    location: str
    model_id: str | None

    @property
    def identity(self) -> dict[str, str | None]:
        """The IDs that identify the model, for the manifest of a release."""
        return {"run_id": self.run_id, "model_id": self.model_id}


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
        raise WorkloadError(f"The run {run_id} has logged no model.", Exit.NO_RUN)
    folder = f"{run.info.artifact_uri}/{_FOLDER}"
    return RunModel(run_id=run_id, source=folder, location=folder, model_id=None)


def download(tracking: Tracking, model: RunModel, directory: Path) -> None:
    """Fetch the model's files into the new directory `directory`.

    Raises:
        WorkloadError: It has no files (`Exit.NO_RUN`), or they can't be fetched (`Exit.OBJECT_STORE`).
    """
    if not artifacts.fetch(tracking, model.location, directory):
        raise WorkloadError(
            f"The model {model.source} of the run {model.run_id} has no files: there is nothing to release.",
            Exit.NO_RUN,
        )


def version_of(tracking: Tracking, model: RunModel, name: str) -> ModelVersion | None:
    """Return the version of the registered model `name` that holds `model`, or None.

    Raises:
        WorkloadError: MLflow is dead or refuses.
    """
    return tracking.ask(lambda: _version(tracking, model, name), _ATTEMPTS)


def register(tracking: Tracking, model: RunModel, name: str, tags: Mapping[str, str]) -> str:
    """Return the version of the registered model `name` that holds `model`, with `tags`; create it if missing.

    Raises:
        WorkloadError: MLflow is dead or refuses.
    """
    version = version_of(tracking, model, name)
    if version is None:
        tracking.ask(lambda: _create_name(tracking, name), _ATTEMPTS)
        tracking.ask(lambda: _create_version(tracking, model, name, tags), _ATTEMPTS)
        # Read back, because a retry after a lost answer may have found the version of the first attempt.
        version = version_of(tracking, model, name)
    if version is None:
        raise WorkloadError(f"MLflow made no version of {name!r}.", Exit.MLFLOW)
    number = str(version.version)
    for key, value in tags.items():
        if version.tags.get(key) != value:
            tracking.ask(
                lambda key=key, value=value: tracking.client.set_model_version_tag(name, number, key, value), _ATTEMPTS
            )
    return number


def _logged(tracking: Tracking, run: Run) -> LoggedModel | None:
    outputs = sorted(run.outputs.model_outputs, key=lambda output: output.step) if run.outputs else []
    for output in reversed(outputs):
        model = tracking.ask(
            lambda output=output: or_none(lambda: tracking.client.get_logged_model(output.model_id)), _ATTEMPTS
        )
        if model is not None and model.status == LoggedModelStatus.READY:
            return model
    return None


def _version(tracking: Tracking, model: RunModel, name: str) -> ModelVersion | None:
    found = tracking.client.search_model_versions(f"name = '{name}' and run_id = '{model.run_id}'")
    same = [version for version in found if version.source == model.source]
    return min(same, key=lambda version: int(version.version), default=None)


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
