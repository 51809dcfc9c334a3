from pathlib import Path

import pytest

from tests.support.tracking_store import Experiment, database
from workloads.mlflow_client import Tracking


@pytest.fixture
def tracking() -> Tracking:
    return Tracking(database())


@pytest.fixture
def experiment(tracking: Tracking, tmp_path: Path) -> Experiment:
    return Experiment(tracking, tmp_path)
