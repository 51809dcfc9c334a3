"""One MLflow and one gateway for all tests of this folder."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support import gateways
from tests.support.tracking_store import unique


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow."""
    with gateways.mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture(scope="session")
def api(mlflow_url: str) -> Iterator[httpx.Client]:
    """A client of a gateway to MLflow. Its deadline is long, for a busy machine."""
    with gateways.gateway(mlflow_url, deadline_seconds=30) as client:
        yield client


@pytest.fixture
def experiment(api: httpx.Client) -> str:
    """The ID of a new experiment."""
    answer = api.post("/api/mlflow/experiments/create", json={"name": unique("experiment")})
    return answer.json()["experiment_id"]


@pytest.fixture
def run(api: httpx.Client, experiment: str) -> str:
    """The ID of a new run."""
    return api.post(f"/api/mlflow/experiments/{experiment}/runs/start").json()["run_id"]


@pytest.fixture
def problem() -> Any:
    """A function that checks that an answer is a problem of RFC 9457, and returns the end of its type."""

    def check(answer: httpx.Response) -> str:
        content = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert content["status"] == answer.status_code
        assert content["title"]
        assert content["detail"]
        return content["type"].removeprefix("urn:aegis:problem:")

    return check
