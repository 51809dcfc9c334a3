"""Idempotency keys: what is sent several times is done once, by whatever replica."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from tests.support import gateways
from tests.support.gateways import StandIn
from tests.support.tracking_store import unique


@pytest.fixture(scope="module")
def replicas(mlflow_url: str) -> Iterator[list[httpx.Client]]:
    """Clients of two gateways that know nothing of each other."""
    with (
        gateways.gateway(mlflow_url, deadline_seconds=60) as one,
        gateways.gateway(mlflow_url, deadline_seconds=60) as two,
    ):
        yield [one, two]


def all_at_once(replicas: list[httpx.Client], send: Callable[[httpx.Client], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(send, replicas * 4))


def key() -> dict[str, str]:
    return {"idempotency-key": unique("key")}


def test_a_run_is_started_once_by_concurrent_requests_to_two_replicas(
    replicas: list[httpx.Client], experiment: str, mlflow_url: str
) -> None:
    for _ in range(3):
        name, headers = unique("run"), key()
        path = f"/api/mlflow/experiments/{experiment}/runs/start"
        answers = all_at_once(replicas, lambda each: each.post(path, json={"run_name": name}, headers=headers))  # noqa: B023 - used at once
        assert {answer.status_code for answer in answers} == {201}
        [run] = {answer.json()["run_id"] for answer in answers}
        search = {"experiment_ids": [experiment], "filter": f"attributes.run_name = '{name}'"}
        found = httpx.post(f"{mlflow_url}/api/2.0/mlflow/runs/search", json=search).json()["runs"]
        assert [each["info"]["run_id"] for each in found] == [run]


def test_a_version_is_registered_once_by_concurrent_requests_to_two_replicas(
    replicas: list[httpx.Client], run: str
) -> None:
    name, headers = unique("model"), key()
    replicas[0].post(f"/api/mlflow/runs/{run}/log-artifacts?path=model/MLmodel", content=b"flavors: {}\n")
    body = {"name": name, "source": f"runs:/{run}/model"}
    answers = all_at_once(replicas, lambda each: each.post("/api/mlflow/models/register", json=body, headers=headers))
    assert {answer.status_code for answer in answers} == {201}
    [version] = {answer.json()["model_version"]["version"] for answer in answers}
    versions = replicas[0].get(f"/api/mlflow/models/{name}/versions").json()["model_versions"]
    assert [each["version"] for each in versions] == [version]


def test_a_model_is_registered_once_by_concurrent_requests_to_two_replicas(replicas: list[httpx.Client]) -> None:
    body, headers = {"name": unique("model")}, key()
    answers = all_at_once(replicas, lambda each: each.post("/api/mlflow/models/register", json=body, headers=headers))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["registered_model"]["name"] for answer in answers} == {body["name"]}


def test_a_repeated_request_says_that_it_was_done_before(replicas: list[httpx.Client], experiment: str) -> None:
    path, headers = f"/api/mlflow/experiments/{experiment}/runs/start", key()
    first, second = (each.post(path, json={"run_name": "x"}, headers=headers) for each in replicas)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.json()["run_id"] == first.json()["run_id"]


@pytest.mark.parametrize("operation", ["start", "register", "deploy"])
def test_a_key_with_another_body_is_refused(
    replicas: list[httpx.Client], experiment: str, problem: Any, operation: str
) -> None:
    names = [unique("model"), unique("model")]
    if operation == "deploy":
        for name in names:
            served(replicas[0], name, experiment)
    path, bodies = {
        "start": (f"/api/mlflow/experiments/{experiment}/runs/start", [{"run_name": name} for name in names]),
        "register": ("/api/mlflow/models/register", [{"name": name} for name in names]),
        "deploy": ("/api/mlflow/serving/models/deploy", [{"model_name": name, "version": "1"} for name in names]),
    }[operation]
    headers = key()
    first, second = (each.post(path, json=body, headers=headers) for each, body in zip(replicas, bodies, strict=True))
    assert first.is_success
    assert (second.status_code, problem(second)) == (422, "idempotency-key-reused")


def test_without_a_key_every_request_starts_a_run(api: httpx.Client, experiment: str) -> None:
    path = f"/api/mlflow/experiments/{experiment}/runs/start"
    assert len({api.post(path, json={"run_name": "x"}).json()["run_id"] for _ in range(2)}) == 2


def test_a_repeated_deployment_does_not_undo_a_later_one(api: httpx.Client, experiment: str) -> None:
    name = unique("model")
    served(api, name, experiment)
    first = {"model_name": name, "version": "1", "replicas": 1}
    headers = key()
    api.post("/api/mlflow/serving/models/deploy", json=first, headers=headers)
    api.post("/api/mlflow/serving/models/deploy", json=first | {"replicas": 3}, headers=key())
    again = api.post("/api/mlflow/serving/models/deploy", json=first, headers=headers)
    assert again.status_code == 202
    tags = {
        each["key"]: each["value"] for each in api.get(f"/api/mlflow/models/{name}").json()["registered_model"]["tags"]
    }
    assert '"replicas": 3' in tags["aegis.serving"]


def test_a_deployment_is_declared_although_another_writes_the_same_new_tag() -> None:
    lost = [{"error_code": "BAD_REQUEST", "message": "(sqlite3.IntegrityError) UNIQUE constraint failed: tags"}]

    def answer(request: Request, _body: bytes) -> JSONResponse:
        if request.url.path.endswith("/set-tag") and lost:
            return JSONResponse(lost.pop(), 400)
        return JSONResponse({"model_version": {"version": "1"}})

    mlflow = StandIn(answer=answer)
    with gateways.serving(mlflow) as url, gateways.gateway(url) as client:
        answered = client.post("/api/mlflow/serving/models/deploy", json={"model_name": "m", "version": "1"})
    assert answered.status_code == 202
    first, second = mlflow.bodies("registered-models/set-tag")
    assert first == second


def served(client: httpx.Client, name: str, experiment: str) -> None:
    """Register a version that can be deployed."""
    run = client.post(f"/api/mlflow/experiments/{experiment}/runs/start").json()["run_id"]
    client.post(f"/api/mlflow/runs/{run}/log-artifacts?path=model/MLmodel", content=b"flavors: {}\n")
    assert client.post("/api/mlflow/models/register", json={"name": name, "source": f"runs:/{run}/model"}).is_success
