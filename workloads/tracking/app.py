"""The tracking server's ASGI app, which `mlflow server --app-name aegis` starts (__main__.py).

The distribution `aegis` in the server's image (workloads/images/code) declares `app` as an entry point of `mlflow.app`.
"""

from importlib import import_module
from pathlib import Path

from starlette.types import ASGIApp

from contracts import DRAINING_FILE
from workloads.tracking import logs
from workloads.tracking.exchange import Observed
from workloads.tracking.failures import Availability, MissingFiles
from workloads.tracking.lifecycle import Draining, Readiness
from workloads.tracking.logs import RequestLog
from workloads.tracking.metrics.database import DatabaseMetrics
from workloads.tracking.metrics.requests import RequestMetrics
from workloads.tracking.routes import Routes
from workloads.tracking.transfers import Transfers


def app() -> ASGIApp:
    """Return the app of one worker process: MLflow's own inside the platform's wrappers, outermost first.

    A factory, so that the process that supervises the workers doesn't load MLflow's app.
    """
    # A restarted container finds the file of its predecessor.
    Path(DRAINING_FILE).unlink(missing_ok=True)
    server = import_module("mlflow.server.fastapi_app")
    logs.set_up()
    wrapped = Draining(Readiness(Availability(MissingFiles(Transfers(server.app)))))
    return Observed(wrapped, Routes(server.flask_app), RequestMetrics(), DatabaseMetrics(), RequestLog())
