"""An MLflow tracking store in a SQLite file, with runs that a test creates, without a server or network."""

import functools
import itertools
import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

from mlflow.entities import LoggedModelOutput, LoggedModelStatus

from workloads.mlflow_client import Tracking

_names = itertools.count(1)
_directories: list[tempfile.TemporaryDirectory[str]] = []


def unique(prefix: str) -> str:
    """Return a name that no other test of this process has: the tests of a process share a store."""
    return f"{prefix}-{next(_names)}"


@functools.cache
def database() -> str:
    """Return the address of an empty store, which all tests of a process share because creating it takes seconds."""
    directory = tempfile.TemporaryDirectory(prefix="mlflow-store-")
    _directories.append(directory)
    address = f"sqlite:///{directory.name}/mlflow.db"
    # MLflow's client sets environment variables, which belong to no test here.
    with patch.dict(os.environ):
        Tracking(address, create=True).client.search_experiments(max_results=1)
    return address


def copy_of_database(folder: Path) -> str:
    """Return the address of a store of its own in `folder`, made by copying: creating one takes seconds."""
    return f"sqlite:///{shutil.copy(database().removeprefix('sqlite:///'), folder / 'mlflow.db')}"


class Experiment:
    """A new experiment of `tracking`, with its artifacts under `artifacts`."""

    def __init__(self, tracking: Tracking, artifacts: Path) -> None:
        self.client = tracking.client
        self.name = unique("experiment")
        self.id = self.client.create_experiment(self.name, artifact_location=(artifacts / self.name).as_uri())

    def run(
        self, metrics: Mapping[str, float], *, status: str | None = "FINISHED", started: int = 1, commit: str = ""
    ) -> str:
        """Create a run that started at `started` (ms) and return its ID. Without a status, it is still running."""
        tags = {"mlflow.source.git.commit": commit} if commit else {}
        run_id = self.client.create_run(self.id, start_time=started, tags=tags).info.run_id
        for name, value in metrics.items():
            self.client.log_metric(run_id, name, value)
        if status:
            self.client.set_terminated(run_id, status)
        return run_id

    def log_model(self, run_id: str, directory: Path, step: int = 0) -> str:
        """Log `directory` as a model of the run and return the model's ID."""
        model = self.client.create_logged_model(self.id, name="model", source_run_id=run_id)
        self.client.log_model_artifacts(model.model_id, str(directory))
        self.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step)])
        self.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        return model.model_id


def not_finite() -> tuple[float, ...]:
    """Return the values that must never win a comparison."""
    return math.nan, math.inf, -math.inf
