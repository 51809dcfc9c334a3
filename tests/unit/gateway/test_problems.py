"""Every error is a problem of RFC 9457 with a type that stays the same."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support import gateways
from tests.support.tracking_store import unique
from workloads.gateway.client import failure
from workloads.gateway.upstream import Answer


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/nowhere", None, (404, "not-found")),
        ("GET", "/api/mlflow/experiments/999999999", None, (404, "not-found")),
        ("GET", "/api/mlflow/runs/unknown", None, (404, "not-found")),
        ("GET", "/api/mlflow/models/unknown", None, (404, "not-found")),
        ("GET", "/api/mlflow/models/unknown/versions", None, (404, "not-found")),
        ("PUT", "/api/mlflow/health", None, (405, "method-not-allowed")),
        ("POST", "/api/mlflow/experiments/create", {}, (422, "invalid-form")),
        ("POST", "/api/mlflow/experiments/create", {"name": ""}, (422, "invalid-form")),
        ("POST", "/api/mlflow/experiments/create", {"name": "Default"}, (409, "conflict")),
        ("GET", "/api/mlflow/experiments/one", None, (422, "invalid-form")),
        ("POST", "/api/mlflow/models/register", {"name": "a/b"}, (422, "invalid-form")),
        ("POST", "/api/mlflow/models/m/versions/1/stage", {"stage": "Best"}, (422, "invalid-form")),
        ("POST", "/api/mlflow/models/register", {"name": "m", "source": "runs:/unknown/model"}, (404, "not-found")),
        ("POST", "/api/mlflow/models/register", {"name": "m", "source": "http://[::1"}, (422, "invalid-form")),
        ("POST", "/api/mlflow/models/register", {"name": "\u2028"}, (422, "invalid-form")),
        ("POST", "/api/mlflow/runs/unknown/log-params", {"params": {}}, (404, "not-found")),
        ("POST", "/api/mlflow/runs/unknown/log-metrics", {"metrics": {}}, (404, "not-found")),
    ],
)
def test_a_request_that_cannot_be_answered_gets_a_problem(
    api: httpx.Client, problem: Any, method: str, path: str, body: Any, expected: tuple[int, str]
) -> None:
    answer = api.request(method, path, json=body)
    assert (answer.status_code, problem(answer)) == expected


def test_a_body_that_is_not_json_is_refused(api: httpx.Client, problem: Any) -> None:
    headers = {"content-type": "application/json"}
    answer = api.post("/api/mlflow/experiments/create", content=b'{"name": ', headers=headers)
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")


def test_half_a_character_is_refused(api: httpx.Client, problem: Any) -> None:
    headers = {"content-type": "application/json"}
    content = rb'{"name": "m", "source": "runs:/unknown/\ud800"}'
    answer = api.post("/api/mlflow/models/register", content=content, headers=headers)
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "health", "GET"),
        ("GET", "runs/r/log-params", "POST"),
        ("GET", "serving/models/deploy", "DELETE, POST"),
    ],
)
def test_a_method_that_is_not_allowed_names_those_that_are(
    api: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = api.request(method, f"/api/mlflow/{path}")
    assert answer.headers["allow"] == allowed
    assert answer.json()["detail"] == f"{method} is not allowed for this address, only {allowed}."


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("runs/r/log-params", {"params": {"n": None}}, "body.params.n must be a text, a number or a boolean"),
        ("runs/r/log-params", {"params": 3}, "body.params must be a valid dictionary or a valid list"),
        ("runs/r/log-params", {"params": [{"key": "n"}]}, "body.params.0.value is missing"),
        (
            "runs/r/log-metrics",
            {"metrics": {"loss": "low"}},
            "body.metrics.loss must be a valid number or 'NaN', 'Infinity' or '-Infinity'",
        ),
        ("experiments/create", {}, "body.name is missing"),
        (
            "serving/models/deploy",
            {"model": "m", "version": 1.5},
            "body.version must be a valid string or a whole number",
        ),
    ],
)
def test_what_is_wrong_with_a_body_is_one_sentence(api: httpx.Client, path: str, body: Any, detail: str) -> None:
    assert api.post(f"/api/mlflow/{path}", json=body).json()["detail"] == detail


def test_a_name_that_an_experiment_has_is_told_with_the_experiment(
    api: httpx.Client, mlflow_url: str, problem: Any
) -> None:
    name = unique("experiment")

    def create() -> httpx.Response:
        return api.post("/api/mlflow/experiments/create", json={"name": name})

    experiment = create().json()["experiment_id"]
    again = create()
    assert (again.status_code, problem(again)) == (409, "conflict")
    assert again.json()["detail"].startswith(
        f"An experiment has the name {name!r} already: use it by the ID {experiment}"
    )
    httpx.post(f"{mlflow_url}/api/2.0/mlflow/experiments/delete", json={"experiment_id": experiment}).raise_for_status()
    deleted = create()
    assert (deleted.status_code, problem(deleted)) == (409, "conflict")
    assert f"`mlflow experiments restore -x {experiment}`" in deleted.json()["detail"]


def test_a_name_that_a_model_has_is_told_without_the_database(api: httpx.Client) -> None:
    name = unique("model")
    first, again = (api.post("/api/mlflow/models/register", json={"name": name}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 409)
    assert again.json()["detail"] == f"Registered Model (name={name}) already exists."


UNIQUE = (
    '(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint "experiments_name_key"\n'
    "DETAIL:  Key (workspace, name)=(default, x) already exists.\n[SQL: INSERT INTO experiments VALUES (%(name)s)]\n"
    "[parameters: {'name': 'x'}]\n(Background on this error at: https://sqlalche.me/e/20/gkpj)"
)


@pytest.mark.parametrize(
    ("message", "status", "expected"),
    [
        (f"Experiment(name=x) already exists. Error: {UNIQUE}", 400, "Experiment(name=x) already exists."),
        (f"BAD_REQUEST: {UNIQUE}", 400, "MLflow's database refuses it."),
        (f"(raised as a result of Query-invoked autoflush) {UNIQUE}", 400, "MLflow's database refuses it."),
        ("(sqlite3.OperationalError) near SELECT: syntax error\n[SQL: SELECT 1]", 500, "MLflow's database refuses it."),
        ("psycopg.OperationalError: connection to server at 10.0.0.1 failed", 500, "MLflow's database refuses it."),
        ("[SQL: SELECT 1] failed", 500, "MLflow's database refuses it."),
    ],
)
def test_no_answer_has_the_words_of_a_database(message: str, status: int, expected: str) -> None:
    body = json.dumps({"error_code": "BAD_REQUEST", "message": message}).encode()
    assert failure(Answer(status=status, headers=httpx.Headers(), body=body)).detail == expected


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00", 400),
        ("(sqlite3.OperationalError) database is locked\n[SQL: INSERT INTO runs]", 500),
    ],
)
def test_a_busy_database_is_a_reason_to_try_again_and_no_fault_of_the_request(message: str, status: int) -> None:
    body = json.dumps({"error_code": "BAD_REQUEST", "message": message}).encode()
    error = failure(Answer(status=status, headers=httpx.Headers(), body=body))
    assert (error.status, error.detail, error.retry_after) == (503, "MLflow's database is busy.", 1)


def test_a_parameter_that_is_logged_cannot_be_changed(api: httpx.Client, run: str, problem: Any) -> None:
    api.post(f"/api/mlflow/runs/{run}/log-params", json={"params": {"lr": "0.1"}})
    answer = api.post(f"/api/mlflow/runs/{run}/log-params", json={"params": {"lr": "0.2"}})
    assert (answer.status_code, problem(answer)) == (409, "conflict")


def test_a_wrong_source_registers_nothing(api: httpx.Client, run: str) -> None:
    name = unique("model")
    answer = api.post("/api/mlflow/models/register", json={"name": name, "source": f"runs:/{run}/absent"})
    assert answer.status_code == 404
    assert api.get(f"/api/mlflow/models/{name}").status_code == 404


def test_a_problem_says_which_parts_of_a_request_are_not_allowed(api: httpx.Client) -> None:
    answer = api.post("/api/mlflow/experiments/create", json={"name": "x", "tags": {"..": "y"}})
    [error] = answer.json()["errors"]
    assert error["where"].startswith("body.tags")


def test_a_page_of_another_site_cannot_change_anything(api: httpx.Client, problem: Any) -> None:
    new = {"name": unique("experiment")}
    answer = api.post("/api/mlflow/experiments/create", json=new, headers={"origin": "http://evil.example"})
    assert (answer.status_code, problem(answer)) == (403, "forbidden")
    own = {"origin": str(api.base_url).rstrip("/")}
    assert api.post("/api/mlflow/experiments/create", json=new, headers=own).status_code == 201


@pytest.fixture(scope="module")
def small(mlflow_url: str) -> Iterator[httpx.Client]:
    """A gateway with small limits."""
    with gateways.gateway(mlflow_url, max_body_bytes=1000, max_artifact_bytes=2000, deadline_seconds=30) as client:
        yield client


def test_a_body_over_the_limit_is_refused(small: httpx.Client, problem: Any) -> None:
    answer = small.post("/api/mlflow/experiments/create", json={"name": "x", "description": "y" * 1000})
    assert (answer.status_code, problem(answer)) == (413, "too-large")


def test_a_body_of_unknown_length_over_the_limit_is_refused(small: httpx.Client, problem: Any) -> None:
    chunks = iter([b'{"name": "x", "description": "', b"y" * 1000, b'"}'])
    headers = {"content-type": "application/json"}
    answer = small.post("/api/mlflow/experiments/create", content=chunks, headers=headers)
    assert (answer.status_code, problem(answer)) == (413, "too-large")


def test_an_upload_over_the_limit_is_refused_and_not_stored(
    small: httpx.Client, api: httpx.Client, run: str, problem: Any
) -> None:
    answer = small.post(f"/api/mlflow/runs/{run}/log-artifacts?path=big", content=iter([b"x" * 1500] * 2))
    assert (answer.status_code, problem(answer)) == (413, "too-large")
    assert api.get(f"/api/mlflow/runs/{run}/artifacts").json()["files"] == []


def test_a_batch_over_the_limit_is_refused(api: httpx.Client, run: str, problem: Any) -> None:
    metrics = {f"m{number}": 1 for number in range(1001)}
    answer = api.post(f"/api/mlflow/runs/{run}/log-metrics", json={"metrics": metrics})
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")
