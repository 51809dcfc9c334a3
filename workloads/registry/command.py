"""The MLflow of the commands of `python -m workloads.registry`."""

from typing import Final

from contracts import Env
from workloads import cli
from workloads.mlflow_client import Tracking

TRACKING_ENVIRONMENT: Final = f"""\
environment:
  {Env.TRACKING_URI}  a tracking server (http://127.0.0.1:5000), an SQLite file (sqlite:///mlflow.db) or a folder
                       (file:./mlruns)"""


def tracking() -> Tracking:
    """Return the client of the MLflow that the environment names.

    Raises:
        WorkloadError: The address is missing or invalid, or names a file or folder that doesn't exist (`Exit.USAGE`).
    """
    return Tracking(cli.require_env(Env.TRACKING_URI, "the address of MLflow, such as http://127.0.0.1:5000"))
