"""Metrics of concurrent requests are written together, and each request has its own outcome."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from starlette.responses import JSONResponse

from tests.support import gateways
from tests.support.gateways import StandIn

_BAD = "bad"


def strict(_request: Any, body: bytes) -> JSONResponse:
    """Answer like MLflow: a batch with one bad metric is refused as a whole."""
    if _BAD.encode() in body:
        return JSONResponse({"error_code": "INVALID_PARAMETER_VALUE", "message": "bad metric"}, 400)
    return JSONResponse({})


def log(client: httpx.Client, run: str, name: str, **options: Any) -> int:
    return client.post(f"/api/mlflow/runs/{run}/log-metrics", json={"metrics": {name: 1}}, **options).status_code


def logged(mlflow: StandIn) -> list[list[str]]:
    """Return the names of the metrics of each batch."""
    return [[metric["key"] for metric in body["metrics"]] for body in mlflow.bodies("runs/log-batch")]


def test_requests_that_come_while_one_is_on_its_way_are_one_batch() -> None:
    mlflow = StandIn(delay=0.3)
    with gateways.serving(mlflow) as url, gateways.gateway(url) as client, ThreadPoolExecutor(20) as pool:
        first = pool.submit(log, client, "r", "first")
        gateways.until(lambda: len(mlflow.asked) == 1)
        statuses = list(pool.map(lambda number: log(client, "r", f"m{number}"), range(15)))
    assert {first.result(), *statuses} == {200}
    batches = logged(mlflow)
    assert batches[0] == ["first"]
    assert len(batches) <= 4
    assert sorted(name for batch in batches for name in batch) == sorted(
        ["first", *(f"m{number}" for number in range(15))]
    )


def test_a_bad_request_does_not_fail_its_neighbours() -> None:
    mlflow = StandIn(answer=strict, delay=0.3)
    with (
        gateways.serving(mlflow) as url,
        gateways.gateway(url, deadline_seconds=20) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        pool.submit(log, client, "r", "first")
        gateways.until(lambda: len(mlflow.asked) == 1)
        good = [pool.submit(log, client, "r", f"m{number}") for number in range(3)]
        bad = pool.submit(log, client, "r", _BAD)
        assert [each.result() for each in good] == [200, 200, 200]
        assert bad.result() == 400


def test_requests_of_other_callers_and_for_other_runs_are_never_in_one_batch() -> None:
    mlflow = StandIn(delay=0.2)
    with gateways.serving(mlflow) as url, gateways.gateway(url) as client, ThreadPoolExecutor(12) as pool:
        callers = [
            {"authorization": "Basic YTph"},
            {"authorization": "Basic Yjpi"},
            {"authorization": "Basic YTph", "cookie": "s=1"},
        ]
        requests = [(run, number, headers) for number, headers in enumerate(callers) for run in ("r", "q")] * 2
        futures = [
            pool.submit(log, client, run, f"caller{number}-{run}", headers=headers) for run, number, headers in requests
        ]
        assert {each.result() for each in futures} == {200}
    for names, (_, _, body), headers in zip(logged(mlflow), mlflow.asked, mlflow.headers, strict=True):
        [name] = set(names)
        number, _, run = name.removeprefix("caller").partition("-")
        assert body["run_id"] == run
        assert callers[int(number)].items() <= headers.items()
        assert ("cookie" in headers) == (number == "2")


def test_a_batch_has_at_most_the_metrics_that_mlflow_takes() -> None:
    mlflow = StandIn(delay=0.3)
    many = {"metrics": {f"m{number}": 1 for number in range(400)}}
    with (
        gateways.serving(mlflow) as url,
        gateways.gateway(url, deadline_seconds=20) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = pool.map(lambda _: client.post("/api/mlflow/runs/r/log-metrics", json=many), range(6))
        assert {answer.status_code for answer in answers} == {200}
    assert max(len(names) for names in logged(mlflow)) <= 1000
    assert sum(len(names) for names in logged(mlflow)) == 2400


def test_all_metrics_of_concurrent_requests_are_in_mlflow(api: httpx.Client, run: str, mlflow_url: str) -> None:
    path = f"/api/mlflow/runs/{run}/log-metrics"
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda step: api.post(path, json={"metrics": {"loss": step}, "step": step}), range(60))
        assert {answer.status_code for answer in answers} == {200}
    query = {"run_id": run, "metric_key": "loss", "max_results": 100}
    history = httpx.get(f"{mlflow_url}/api/2.0/mlflow/metrics/get-history", params=query).json()["metrics"]
    assert sorted(each["step"] for each in history) == list(range(60))
