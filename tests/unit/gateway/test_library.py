"""The library without FastAPI, as an async program uses it."""

import asyncio

import pytest

from tests.support.tracking_store import unique
from workloads.gateway.errors import ConflictError
from workloads.gateway.manager import MLflowManager
from workloads.gateway.metric_batches import Metric
from workloads.gateway.settings import Settings


def test_a_program_records_a_run_and_reads_it_back(mlflow_url: str) -> None:
    async def program() -> tuple[object, object]:
        settings = Settings(tracking_uri=mlflow_url, deadline_seconds=30)
        async with MLflowManager(mlflow_url, settings=settings) as manager:
            experiment_id = await manager.create_experiment(unique("library"), tags={"team": "vision"})
            started = await manager.experiments.start_run(experiment_id, name="first")
            await manager.experiments.log_params(started.run_id, {"lr": "0.1"})
            await manager.experiments.log_metrics(started.run_id, [Metric(key="loss", value=0.5, timestamp=1)])
            await manager.experiments.end_run(started.run_id)
            run = (await manager.experiments.get_run(started.run_id))["run"]
            return run["info"]["status"], run["data"]["params"]

    assert asyncio.run(program()) == ("FINISHED", [{"key": "lr", "value": "0.1"}])


def test_what_mlflow_refuses_is_an_exception(mlflow_url: str) -> None:
    async def program() -> None:
        settings = Settings(tracking_uri=mlflow_url, deadline_seconds=30)
        async with MLflowManager(mlflow_url, settings=settings) as manager:
            await manager.create_experiment("Default")

    with pytest.raises(ConflictError, match="has the name 'Default' already"):
        asyncio.run(program())
