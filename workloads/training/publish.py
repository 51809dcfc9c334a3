"""The trained model in MLflow: logged once and registered once, however often the training is restarted.

A run gets a second model only if it is continued for more epochs.
"""

from pathlib import Path

from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException

from workloads.training.export import MODEL_FOLDER
from workloads.training.run_log import MlflowRun

_STEP_TAG = "step"


def claim(run: MlflowRun, step: int) -> LoggedModel:
    """Return the run's model of `step` in MLflow; create it if it doesn't exist."""

    def find_or_create() -> LoggedModel:
        found = run.client.search_logged_models(
            [run.experiment_id],
            filter_string=(
                f"source_run_id = '{run.run_id}' AND name = '{MODEL_FOLDER}' AND tags.{_STEP_TAG} = '{step}'"
            ),
            max_results=1,
        )
        if found:
            return found[0]
        return run.client.create_logged_model(
            run.experiment_id, name=MODEL_FOLDER, source_run_id=run.run_id, tags={_STEP_TAG: str(step)}
        )

    return run.ask(find_or_create)


def upload(run: MlflowRun, model: LoggedModel, folder: Path, step: int) -> None:
    """Log the files in `folder` as `model`, and the model as the run's output at `step`."""
    if model.status != LoggedModelStatus.READY:
        run.store(lambda: run.client.log_model_artifacts(model.model_id, str(folder)))
        run.ask(lambda: run.client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step)]))
        run.ask(lambda: run.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY))


def register(run: MlflowRun, model: LoggedModel, name: str) -> str:
    """Return the model version of `model` in the registered model `name`; create both if they don't exist."""
    source = f"models:/{model.model_id}"

    def find_or_create() -> str:
        for version in run.client.search_model_versions(f"name = '{name}' and run_id = '{run.run_id}'"):
            if version.source == source:
                return version.version
        try:
            run.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        created = run.client.create_model_version(name, source=source, run_id=run.run_id, model_id=model.model_id)
        return created.version

    return run.ask(find_or_create)
