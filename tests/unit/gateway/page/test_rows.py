"""Rows from MLflow's answers, and what the page asks for."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.gateways import StandIn, serving
from workloads.gateway.manager import MLflowManager
from workloads.gateway.page import rows


def run(**data: list[dict[str, Any]]) -> rows.Run:
    return rows.run_of({"info": {"run_id": "0123456789ab", "start_time": 1}, "data": data})


def entries(**values: object) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def test_a_run_without_a_name_or_data_has_a_row() -> None:
    found = rows.run_of({"info": {"run_id": "0123456789ab"}})
    assert (found.name, found.status, found.ended, found.params) == ("01234567", "RUNNING", None, {})


def test_metrics_of_the_system_come_last() -> None:
    assert rows.metric_names([run(metrics=[{"key": "system/cpu", "value": 1}, *entries(val=1, loss=1)])]) == [
        "loss",
        "val",
        "system/cpu",
    ]


def test_only_parameters_that_differ_are_hyperparameters() -> None:
    runs = [run(params=entries(lr="1", seed="0", rare="1")), run(params=entries(lr="2", seed="0"))]
    runs.append(run(params=entries(lr="3", rare="2")))
    assert rows.varying(runs) == ["lr", "rare"]


def test_curves_are_bounded_sorted_and_without_what_no_plot_shows() -> None:
    points = [("a", 2, 0.5), ("a", 1, 1.0), ("b", 1, "NaN"), ("b", 2, "Infinity"), ("b", 3, 0.1)]
    metrics = [{"run_id": run_id, "step": step, "timestamp": step, "value": value} for run_id, step, value in points]
    asked: list[str] = []

    def answer(request: Request, _body: bytes) -> Response:
        asked.append(request.url.query)
        return JSONResponse({"metrics": metrics})

    async def read(url: str) -> dict[str, list[rows.Point]]:
        async with MLflowManager(url) as mlflow:
            return await rows.curves(mlflow, ["a", "b", *map(str, range(20))], "val/loss")

    with serving(StandIn(answer=answer)) as url:
        found = asyncio.run(read(url))
    assert [point.value for point in found["a"]] == [1.0, 0.5]
    assert [point.value for point in found["b"]] == [0.1]
    assert asked[0].count("run_ids=") == rows.MOST_CURVES
    assert "max_results=500" in asked[0]
