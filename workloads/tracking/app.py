"""The tracking server's ASGI app, which `mlflow server --app-name aegis` starts.

The distribution `aegis` in the server's image (workloads/images/code) declares `app` as an entry point of `mlflow.app`.
"""

from importlib import import_module
from pathlib import Path

from starlette.types import ASGIApp

from contracts import DRAINING_FILE
from workloads.tracking.failures import Availability, MissingFiles
from workloads.tracking.lifecycle import Draining, Readiness
from workloads.tracking.transfers import Transfers


def app() -> ASGIApp:
    """Return the app of one worker process: MLflow's own inside the platform's wrappers, outermost first.

    A factory, so that the process that supervises the workers doesn't load MLflow's app.
    """
    # A restarted container finds the file of its predecessor.
    Path(DRAINING_FILE).unlink(missing_ok=True)
    mlflow = import_module("mlflow.server.fastapi_app").app
    return Draining(Readiness(Availability(MissingFiles(Transfers(mlflow)))))
