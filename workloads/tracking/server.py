"""MLflow's own server inside of what the platform adds to it, outermost first."""

from pathlib import Path

from mlflow.server.fastapi_app import app
from starlette.types import ASGIApp

from contracts import DRAINING_FILE
from workloads.tracking.absence import Absence
from workloads.tracking.availability import Availability
from workloads.tracking.draining import Draining
from workloads.tracking.readiness import Readiness
from workloads.tracking.transfers import Transfers


def server() -> ASGIApp:
    """Return the composed app."""
    # A container that is started again has what the one before it left.
    Path(DRAINING_FILE).unlink(missing_ok=True)
    return Draining(Readiness(Availability(Absence(Transfers(app)))))
