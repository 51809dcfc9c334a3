"""The trained models in MLflow: each logged once and registered once, however often the training is restarted.

A run gets models again only if it is continued for more epochs.
"""

from pathlib import Path

from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus

from workloads.release import model as models
from workloads.release.model import RunModel
from workloads.training.run_log import MlflowRun

_STEP_TAG = "step"


def claim(run: MlflowRun, name: str, step: int) -> LoggedModel:
    """Return the run's model `name` of `step` in MLflow; create it if it doesn't exist."""

    def find_or_create() -> LoggedModel:
        found = run.client.search_logged_models(
            [run.experiment_id],
            filter_string=f"source_run_id = '{run.run_id}' AND name = '{name}' AND tags.{_STEP_TAG} = '{step}'",
            max_results=1,
        )
        if found:
            return found[0]
        return run.client.create_logged_model(
            run.experiment_id, name=name, source_run_id=run.run_id, tags={_STEP_TAG: str(step)}
        )

    return run.ask(find_or_create)


def upload(run: MlflowRun, model: LoggedModel, folder: Path, output_step: int | None = None) -> None:
    """Log the files in `folder` as `model`; with `output_step`, the model is the run's output at that step."""
    if model.status != LoggedModelStatus.READY:
        run.store(lambda: run.client.log_model_artifacts(model.model_id, str(folder)))
        if output_step is not None:
            run.ask(lambda: run.client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, output_step)]))
        run.ask(lambda: run.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY))


def register(run: MlflowRun, model: LoggedModel, name: str) -> str:
    """Return the model version of `model` in the registered model `name`; create both if they don't exist."""
    source = f"models:/{model.model_id}"
    logged = RunModel(run_id=run.run_id, source=source, location=model.artifact_location, model_id=model.model_id)
    return models.register(run.tracking, logged, name, {})
