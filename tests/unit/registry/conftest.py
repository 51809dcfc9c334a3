from pathlib import Path

import pytest

from tests.support.tracking_store import Experiment
from workloads.registry.selection import Tracking


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    return Tracking(f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db")


@pytest.fixture
def experiment(tracking: Tracking, tmp_path: Path) -> Experiment:
    return Experiment(tracking, tmp_path)
