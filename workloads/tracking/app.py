"""The ASGI app of the tracking server by the name that MLflow starts it by, `mlflow server --app-name aegis`.

The distribution `aegis` in its image (workloads/images/code) names `app` as an entry point of `mlflow.app`.
"""

from importlib import import_module

from starlette.types import ASGIApp


def app() -> ASGIApp:
    """Return the app for one worker process.

    A factory, so that the process that only supervises the workers doesn't import the server.
    """
    return import_module("workloads.tracking.server").server()
