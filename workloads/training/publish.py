"""The trained model in MLflow: logged once per run, and registered once, however often a training is started again."""

from pathlib import Path

from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException

from workloads.training.export import MODEL_FOLDER
from workloads.training.tracking import MlflowRun


def claim(run: MlflowRun) -> LoggedModel:
    """Return the run's model in MLflow, made if it has none yet."""

    def find_or_create() -> LoggedModel:
        found = run.client.search_logged_models(
            [run.experiment_id], filter_string=f"source_run_id = '{run.run_id}' AND name = '{MODEL_FOLDER}'"
        )
        if found:
            return found[0]
        return run.client.create_logged_model(run.experiment_id, name=MODEL_FOLDER, source_run_id=run.run_id)

    return run.ask(find_or_create)


def upload(run: MlflowRun, model: LoggedModel, folder: Path, step: int) -> None:
    """Log the files in `folder` as `model`, and it as what the run made at `step`."""
    if model.status != LoggedModelStatus.READY:
        run.store(lambda: run.client.log_model_artifacts(model.model_id, str(folder)))
        run.ask(lambda: run.client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step)]))
        run.ask(lambda: run.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY))


def register(run: MlflowRun, model: LoggedModel, name: str) -> str:
    """Return the version of the registered model `name` that `model` is, made if it is none yet."""

    def find_or_create() -> str:
        versions = run.client.search_model_versions(f"name = '{name}' and run_id = '{run.run_id}'")
        if versions:
            return versions[0].version
        try:
            run.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = run.client.create_model_version(
            name, source=f"models:/{model.model_id}", run_id=run.run_id, model_id=model.model_id
        )
        return version.version

    return run.ask(find_or_create)
