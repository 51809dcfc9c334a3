"""MLflow's own server inside of what the platform adds to it, outermost first."""

from mlflow.server.fastapi_app import app
from starlette.types import ASGIApp

from workloads.tracking.availability import Availability
from workloads.tracking.draining import Draining
from workloads.tracking.readiness import Readiness
from workloads.tracking.transfers import Transfers


def server() -> ASGIApp:
    """Return the composed app."""
    return Draining(Readiness(Availability(Transfers(app))))
