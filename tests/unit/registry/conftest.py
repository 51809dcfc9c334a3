from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow.entities import Metric

from tests.support.fake_mlflow import FakeMlflow, fake_mlflow
from tests.support.tracking_store import Experiment, database
from workloads import cli
from workloads.mlflow_client import Tracking
from workloads.registry import __main__ as registry


@pytest.fixture
def tracking() -> Tracking:
    return Tracking(database(), create=True)


@pytest.fixture
def experiment(tracking: Tracking, tmp_path: Path) -> Experiment:
    return Experiment(tracking, tmp_path)


@pytest.fixture(scope="session")
def server() -> Iterator[FakeMlflow]:
    with fake_mlflow() as server:
        yield server


@pytest.fixture
def fake(server: FakeMlflow) -> Iterator[FakeMlflow]:
    yield server
    server.reset()


Registry = Callable[..., int]


@pytest.fixture
def run_registry(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return a function that runs `python -m workloads.registry` on the test's store and returns its exit code."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)

    def run(*argv: str, main: Callable[..., int] = registry.main) -> int:
        with pytest.raises(SystemExit) as stop:
            cli.run(main, argv)
        return int(stop.value.code or 0)

    return run


def log_curve(experiment: Experiment, run_id: str, metric: str, values: list[float]) -> None:
    """Log a value of a metric per step, from step 1."""
    points = [Metric(metric, value, 1000 * step, step) for step, value in enumerate(values, 1)]
    experiment.client.log_batch(run_id, points)


def rename(experiment: Experiment, run_id: str, name: str) -> None:
    experiment.client.set_tag(run_id, "mlflow.runName", name)
