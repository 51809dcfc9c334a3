"""Release the best run of the environment's experiment as a signed version."""

from laptop.settings import Settings
from workloads.mlflow_client import Tracking
from workloads.release import store
from workloads.release.job import Order, Released, release
from workloads.signing import signer


def release_best(settings: Settings, *, metric: str, maximize: bool) -> Released:
    """Sign the model of the run with the best `metric`, and register it; see `workloads.release.job.release`."""
    order = Order(
        experiment_name=settings.experiment,
        metric=metric,
        maximize=maximize,
        model_name=settings.model,
        work_dir=settings.folder / "work",
    )
    return release(order, Tracking(settings.tracking_uri), signer.from_environment(), store.from_environment())
