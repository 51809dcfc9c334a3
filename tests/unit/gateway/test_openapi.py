"""The OpenAPI document is what the gateway does: schemathesis asks every operation what it takes and what not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from starlette.responses import JSONResponse

from tests.support import gateways
from tests.support.gateways import StandIn
from tests.support.tracking_store import unique
from workloads.gateway.app import create_app
from workloads.gateway.settings import Settings

DOCUMENT = create_app(Settings(tracking_uri="http://127.0.0.1:1")).openapi()
OPERATIONS = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]
# What the issue asks for, as the documents name it.
ENDPOINTS = {
    ("GET", "health"), ("GET", "info"), ("GET", "version"),
    ("GET", "experiments"), ("POST", "experiments/create"), ("GET", "experiments/{experiment_id}"),
    ("POST", "experiments/{experiment_id}/runs/start"), ("POST", "experiments/{experiment_id}/runs/{run_id}/end"),
    ("GET", "runs/{run_id}"), ("POST", "runs/{run_id}/log-params"), ("POST", "runs/{run_id}/log-metrics"),
    ("POST", "runs/{run_id}/log-artifacts"), ("GET", "runs/{run_id}/artifacts"),
    ("GET", "models"), ("POST", "models/register"), ("GET", "models/{name}"), ("GET", "models/{name}/versions"),
    ("POST", "models/{name}/versions/{version}/stage"),
    ("GET", "serving/models"), ("POST", "serving/models/deploy"), ("POST", "serving/models/{name}/predict"),
    ("DELETE", "serving/models/{name}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def schema(mlflow_url: str) -> Iterator[Any]:
    """The document of a gateway to a real MLflow, with a reconciler that serves nothing."""
    reconciler = StandIn(answer=lambda _request, _body: JSONResponse([]))
    with (
        gateways.serving(reconciler) as status,
        gateways.gateway(mlflow_url, serving_status=status, deadline_seconds=30) as client,
    ):
        yield schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")


@pytest.fixture(scope="module")
def existing(api: httpx.Client) -> dict[str, str]:
    """What is in MLflow, by the names that it has in paths."""
    name = unique("openapi")
    experiment = api.post("/api/mlflow/experiments/create", json={"name": name}).json()["experiment_id"]
    run = api.post(f"/api/mlflow/experiments/{experiment}/runs/start").json()["run_id"]
    api.post(f"/api/mlflow/runs/{run}/log-artifacts?path=model/MLmodel", content=b"flavors: {}\n")
    registered = api.post("/api/mlflow/models/register", json={"name": name, "source": f"runs:/{run}/model"})
    assert registered.status_code == 201
    return {"experiment_id": experiment, "run_id": run, "name": name, "version": "1"}


def checks() -> Iterator[Any]:
    """Yield each operation with requests that are allowed, and with others if it takes anything."""
    for method, path in OPERATIONS:
        operation = DOCUMENT["paths"][path][method.lower()]
        yield pytest.param(method, path, GenerationMode.POSITIVE, id=f"{method} {path}")
        if "parameters" in operation or "requestBody" in operation:
            yield pytest.param(method, path, GenerationMode.NEGATIVE, id=f"{method} {path} wrongly")


@pytest.mark.parametrize(("method", "path", "mode"), checks())
def test_an_operation_answers_as_documented(
    schema: Any, existing: dict[str, str], method: str, path: str, mode: GenerationMode
) -> None:
    @settings(
        max_examples=8,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[*HealthCheck.__members__.values()],
    )
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        case = data.draw(schema[path][method].as_strategy(generation_mode=mode))
        if mode is GenerationMode.POSITIVE:
            leave_out_what_depends(case)
            if data.draw(st.booleans()):
                named = {name: value for name, value in existing.items() if name in case.path_parameters}
                case.path_parameters.update(named)
        case.call_and_validate()

    check()


def leave_out_what_depends(case: Any) -> None:
    """Leave out what must fit the rest: a key or page that came before, and the checksum of another file."""
    for header in ("Idempotency-Key", "Repr-Digest"):
        case.headers.pop(header, None)
    case.query.pop("page_token", None)
    if isinstance(case.body, dict):
        case.body.pop("sha256", None)
        if "file" in case.body:
            # No document can say that the fields of a form come before its file.
            case.body["file"] = case.body.pop("file")


def test_the_document_has_every_endpoint() -> None:
    assert {(method, f"/api/mlflow/{path}") for method, path in ENDPOINTS} <= set(OPERATIONS)


def test_every_answer_has_an_example_or_a_schema_of_a_file() -> None:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                [content] = answer["content"].values()
                assert "example" in content or content["schema"]["type"] == "string"


def test_every_json_body_has_an_example() -> None:
    bodies = [
        name for name in DOCUMENT["components"]["schemas"] if name.startswith("New") or name in ("Params", "Metrics")
    ]
    assert all(DOCUMENT["components"]["schemas"][name]["examples"] for name in bodies)


def test_the_document_is_served(api: httpx.Client) -> None:
    assert api.get("/openapi.json").json()["info"]["title"] == "Aegis gateway"


def test_the_document_is_shown_by_files_of_the_gateway_alone(api: httpx.Client) -> None:
    page = api.get("/docs").text
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {Path(file).suffix for file in files} == {".js", ".css", ".png"}
    assert [file for file in files if not file.startswith("/") or api.get(file).status_code != 200] == []
    assert "://" not in page
