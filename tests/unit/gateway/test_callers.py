"""The gateway has no rights of its own: MLflow sees the caller's authentication, and nobody else's."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from tests.support import gateways
from tests.support.gateways import StandIn
from workloads.gateway.caller import Caller

USERS = {"anna": "secret-a", "ben": "secret-b"}


def basic(user: str, password: str | None = None) -> dict[str, str]:
    credential = f"{user}:{USERS[user] if password is None else password}".encode()
    return {"authorization": f"Basic {base64.b64encode(credential).decode()}"}


def guarded(request: Request, _body: bytes) -> JSONResponse:
    """Answer like MLflow with authentication: each user has one model, and a cookie that nobody else may send."""
    user = next((user for user in USERS if basic(user)["authorization"] == request.headers.get("authorization")), None)
    if user is None:
        return JSONResponse({"message": "Who are you?"}, 401, {"www-authenticate": 'Basic realm="mlflow"'})
    if request.cookies.get("session", user) != user:
        return JSONResponse({"message": "The cookie of somebody else."}, 500)
    cookie = {"set-cookie": f"session={user}; Path=/"}
    if "search" in request.url.path:
        entry = {"name": f"model-of-{user}", "tags": [{"key": "aegis.serving", "value": "{}"}]}
        return JSONResponse({"registered_models": [entry]}, headers=cookie)
    if request.query_params.get("name", f"model-of-{user}") != f"model-of-{user}":
        return JSONResponse({"error_code": "PERMISSION_DENIED", "message": "No."}, 403, cookie)
    return JSONResponse({"registered_model": {"name": f"model-of-{user}"}}, headers=cookie)


@pytest.fixture(scope="module")
def guarded_api() -> Any:
    served = [{"model": f"model-of-{user}", "served_version": "1", "state": "serving"} for user in USERS]
    with (
        gateways.serving(StandIn(answer=guarded, delay=0.005)) as url,
        gateways.serving(StandIn(answer=lambda _request, _body: JSONResponse(served))) as status,
        gateways.gateway(url, serving_status=status) as client,
    ):
        yield client


def test_two_users_in_parallel_see_only_their_own(guarded_api: httpx.Client) -> None:
    def look(user: str) -> set[str]:
        models = guarded_api.get("/api/mlflow/models", headers=basic(user)).json()["registered_models"]
        served = guarded_api.get("/api/mlflow/serving/models", headers=basic(user)).json()["models"]
        return {each["name"] for each in models} | {each["model"] for each in served}

    with ThreadPoolExecutor(8) as pool:
        users = ["anna", "ben"] * 20
        seen = list(pool.map(look, users))
    assert seen == [{f"model-of-{user}"} for user in users]


def test_what_mlflow_refuses_is_refused(guarded_api: httpx.Client, problem: Any) -> None:
    answer = guarded_api.get("/api/mlflow/models/model-of-ben", headers=basic("anna"))
    assert (answer.status_code, problem(answer)) == (403, "forbidden")


@pytest.mark.parametrize("headers", [{}, basic("anna", "wrong")], ids=["none", "wrong password"])
def test_without_authentication_the_answer_says_how_to_log_in(
    guarded_api: httpx.Client, problem: Any, headers: dict[str, str]
) -> None:
    answer = guarded_api.get("/api/mlflow/models", headers=headers)
    assert (answer.status_code, problem(answer)) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Basic realm="mlflow"'


@pytest.mark.parametrize("value", [b"Basic \xc3\xa9", b"\xff"])
def test_an_authorization_that_is_no_text_of_ascii_is_refused(
    guarded_api: httpx.Client, problem: Any, value: bytes
) -> None:
    answer = guarded_api.get("/api/mlflow/models", headers={b"authorization": value})
    assert (answer.status_code, problem(answer)) == (400, "invalid-request")


def test_a_cookie_is_passed_on_as_it_came() -> None:
    mlflow = StandIn()
    with gateways.serving(mlflow) as url, gateways.gateway(url) as client:
        client.get("/api/mlflow/models", headers={b"cookie": b"name=\xc3\xa9"})
    assert mlflow.headers[0]["cookie"].encode("latin-1") == b"name=\xc3\xa9"


def test_what_this_mlflow_does_not_do_is_the_callers_mistake(api: httpx.Client, problem: Any) -> None:
    answer = api.get("/api/mlflow/models", headers={"x-mlflow-workspace": "other"})
    assert (answer.status_code, problem(answer)) == (400, "invalid-request")


def test_many_predictions_at_once_ask_for_the_right_a_few_times() -> None:
    mlflow = StandIn(delay=0.2)
    served = [{"model": "m", "served_version": "1", "state": "serving"}]
    with (
        gateways.serving(mlflow) as url,
        gateways.serving(StandIn(answer=lambda _request, _body: JSONResponse(served))) as status,
        gateways.gateway(url, serving_status=status, deadline_seconds=20) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        answers = list(pool.map(lambda _: client.post("/api/mlflow/serving/models/m/predict", json={}), range(16)))
    assert {answer.status_code for answer in answers} == {502}
    assert len(mlflow.asked) < 8


def test_a_right_to_read_a_model_is_not_remembered_for_others(guarded_api: httpx.Client) -> None:
    for _ in range(2):
        mine = guarded_api.post("/api/mlflow/serving/models/model-of-anna/predict", json={}, headers=basic("anna"))
        others = guarded_api.post("/api/mlflow/serving/models/model-of-anna/predict", json={}, headers=basic("ben"))
        assert mine.status_code == 502
        assert others.status_code == 404


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        (basic("anna"), basic("anna", "a new password"), True),
        (basic("anna"), basic("ben"), False),
        ({"authorization": "Bearer e30.eyJzdWIiOiAiYSJ9.1"}, {"authorization": "Bearer e30.eyJzdWIiOiAiYSJ9.2"}, True),
        ({"authorization": "Bearer one"}, {"authorization": "Bearer two"}, False),
        ({"cookie": "a=1"}, {}, False),
        ({"cookie": "anna"}, basic("anna"), False),
    ],
)
def test_a_caller_stays_the_same_when_the_credential_is_renewed(
    one: dict[str, str], two: dict[str, str], *, same: bool
) -> None:
    assert (Caller.of(one).identity == Caller.of(two).identity) is same


@pytest.mark.parametrize(
    "claims", ["[" * 50_000, '{"sub": ' + "[" * 2000 + "]" * 2000 + "}", '{"sub": NaN}', "9" * 5000]
)
def test_a_token_with_absurd_claims_is_taken_as_it_is(claims: str) -> None:
    payload = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
    one, other = (Caller.of({"authorization": f"Bearer h.{payload}.{signature}"}) for signature in "ab")
    assert one.identity != other.identity
