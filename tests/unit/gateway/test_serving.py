"""Served models through the gateway: a tag says what is wanted, the reconciler says what is served."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support import gateways
from tests.support.gateways import StandIn
from tests.support.tracking_store import unique
from workloads.serving.wanted import Wanted

DEPLOY = "/api/mlflow/serving/models/deploy"


@dataclass(kw_only=True)
class World:
    """A gateway, the answer of the reconciler, and a model's server that gives its input back."""

    api: httpx.Client
    service: str
    reconciler: StandIn
    model_server: StandIn
    served: list[dict[str, Any]] = field(default_factory=list)

    def registered(self) -> str:
        """Return the name of a new model with a version 1 and the alias `champion`."""
        name = unique("served")
        experiment = self.api.post("/api/mlflow/experiments/create", json={"name": name}).json()["experiment_id"]
        run = self.api.post(f"/api/mlflow/experiments/{experiment}/runs/start").json()["run_id"]
        self.api.post(f"/api/mlflow/runs/{run}/log-artifacts?path=model/MLmodel", content=b"flavors: {}\n")
        self.api.post("/api/mlflow/models/register", json={"name": name, "source": f"runs:/{run}/model"})
        return name

    def tag(self, name: str) -> Any:
        tags = self.api.get(f"/api/mlflow/models/{name}").json()["registered_model"].get("tags", [])
        return next((json.loads(each["value"]) for each in tags if each["key"] == "aegis.serving"), None)

    def serve(self, name: str, **changes: Any) -> None:
        """Let the reconciler say that a model is served."""
        entry = {"model": name, "wanted_version": "1", "served_version": "1", "state": "serving", "source": "tag"}
        self.served.append(entry | {"service": self.service} | changes)

    def predict(self, name: str, content: bytes = b'{"inputs": [1]}') -> httpx.Response:
        headers = {"content-type": "application/json"}
        return self.api.post(f"/api/mlflow/serving/models/{name}/predict", content=content, headers=headers)


@pytest.fixture(scope="module")
def servers(mlflow_url: str) -> Iterator[World]:
    served: list[dict[str, Any]] = []
    reconciler = StandIn(answer=lambda _request, _body: JSONResponse(served))
    model_server = StandIn()
    with (
        gateways.serving(reconciler) as status,
        gateways.serving(model_server) as service,
        gateways.gateway(mlflow_url, serving_status=status, deadline_seconds=30, predict_seconds=3) as api,
    ):
        yield World(api=api, service=service, reconciler=reconciler, model_server=model_server, served=served)


@pytest.fixture
def world(servers: World) -> World:
    servers.served.clear()
    servers.model_server.answer = lambda _request, body: JSONResponse({"predictions": json.loads(body)["inputs"]})
    servers.model_server.delay = 0
    return servers


def test_a_deployment_is_a_tag_that_the_reconciler_reads(world: World) -> None:
    name = world.registered()
    canary = {"percent": 20, "seconds": 5, "max_error_rate": 0.1, "max_latency_ratio": 3}
    body = {"model_name": name, "version": "1", "replicas": 2, "resources": {"cpu": "500m"}, "canary": canary}
    assert world.api.post(DEPLOY, json=body).status_code == 202
    assert world.tag(name) == {
        "model": name,
        "alias": None,
        "version": "1",
        "replicas": 2,
        "resources": {"cpu": "500m", "memory": "1Gi"},
        "canary": canary,
    }
    listed = world.api.get("/api/mlflow/serving/models").json()["models"]
    assert [each["state"] for each in listed if each["model"] == name] == ["waiting"]
    gateways.until(lambda: ("POST", "/hint", None) in world.reconciler.asked)


@pytest.mark.parametrize("choice", [{"version": "7"}, {"alias": "nobody"}, {}], ids=["version", "alias", "champion"])
def test_a_version_that_does_not_exist_is_not_deployed(world: World, problem: Any, choice: dict[str, str]) -> None:
    name = world.registered()
    answer = world.api.post(DEPLOY, json={"model_name": name, **choice})
    assert (answer.status_code, problem(answer)) == (404, "not-found")
    assert world.tag(name) is None


def test_a_version_and_an_alias_together_are_refused(world: World, problem: Any) -> None:
    answer = world.api.post(DEPLOY, json={"model_name": "m", "version": "1", "alias": "champion"})
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")


def test_what_is_not_asked_for_is_as_the_stack_and_the_command_line_have_it(world: World) -> None:
    name = world.registered()
    answer = world.api.post(DEPLOY, json={"model": name, "version": 1})
    assert answer.json()["wanted"] == Wanted(model=name, version="1").to_json() == world.tag(name)


def test_a_name_that_cannot_be_served_is_refused_at_once(world: World, problem: Any) -> None:
    answer = world.api.post(DEPLOY, json={"model_name": "a@b", "version": "1"})
    assert (answer.status_code, problem(answer)) == (409, "conflict")
    assert "a name without / : and @" in answer.json()["detail"]


def test_a_removed_model_has_no_tag_any_more(world: World, problem: Any) -> None:
    name = world.registered()
    world.api.post(DEPLOY, json={"model_name": name, "version": "1"})
    assert world.api.delete(f"/api/mlflow/serving/models/{name}").status_code == 202
    assert world.tag(name) is None
    again = world.api.delete(f"/api/mlflow/serving/models/{name}")
    assert (again.status_code, problem(again)) == (404, "not-found")


@pytest.mark.parametrize("source", ["stack", "cli"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_model_that_is_declared_elsewhere_is_left_alone(world: World, problem: Any, source: str, method: str) -> None:
    name = world.registered()
    world.serve(name, source=source)
    gateways.until(lambda: any(each["model"] == name for each in listed(world)))
    request: Callable[[], httpx.Response] = {
        "POST": lambda: world.api.post(DEPLOY, json={"model_name": name, "version": "1"}),
        "DELETE": lambda: world.api.delete(f"/api/mlflow/serving/models/{name}"),
    }[method]
    answer = request()
    assert (answer.status_code, problem(answer)) == (409, "conflict")


def test_a_version_that_is_served_on_but_does_not_verify_any_more_is_wanted_and_told_as_such(world: World) -> None:
    """So that a model can follow its alias again, whatever the state of the version that is served."""
    name = world.registered()
    world.serve(name, verified=False, reason="its key was revoked")
    shown(world, name)
    assert world.api.post(DEPLOY, json={"model_name": name, "version": "1"}).status_code == 202
    [entry] = [each for each in listed(world) if each["model"] == name]
    assert (entry["verified"], entry["reason"]) == (False, "its key was revoked")


def listed(world: World) -> list[dict[str, Any]]:
    return world.api.get("/api/mlflow/serving/models").json()["models"]


def shown(world: World, name: str) -> None:
    gateways.until(lambda: any(each["model"] == name for each in listed(world)))


def test_a_prediction_passes_through_as_it_is(world: World) -> None:
    name = world.registered()
    world.serve(name)
    shown(world, name)
    answer = world.predict(name, b'{"inputs": [0.5, 1e-7]}')
    assert answer.json() == {"predictions": [0.5, 1e-7]}
    assert world.model_server.asked[-1][:2] == ("POST", "/invocations")
    assert "x-aegis-model-version" not in answer.headers


def test_a_prediction_says_which_version_gave_it(world: World) -> None:
    name = world.registered()
    world.serve(name)
    shown(world, name)
    world.model_server.answer = lambda _request, _body: JSONResponse({}, headers={"x-aegis-model-version": "3"})
    assert world.predict(name).headers["x-aegis-model-version"] == "3"


def test_a_prediction_is_sent_again_while_a_pod_is_replaced(world: World) -> None:
    name = world.registered()
    world.serve(name)
    shown(world, name)
    answers = [JSONResponse({}, 503), JSONResponse({}, 503), JSONResponse({"predictions": [7]})]
    world.model_server.answer = lambda _request, _body: answers.pop(0)
    assert world.predict(name).json() == {"predictions": [7]}


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, (400, "invalid-request")), (500, (502, "upstream-failed")), (504, (502, "upstream-failed"))],
)
def test_the_errors_of_a_model_are_told(world: World, problem: Any, status: int, expected: tuple[int, str]) -> None:
    name = world.registered()
    world.serve(name)
    shown(world, name)

    def refuse(_request: Request, _body: bytes) -> JSONResponse:
        return JSONResponse({"message": "3 columns"}, status)

    world.model_server.answer = refuse
    answer = world.predict(name)
    assert (answer.status_code, problem(answer)) == expected
    assert "3 columns" in answer.json()["detail"]


def test_a_prediction_has_a_time_limit_of_its_own(world: World, problem: Any) -> None:
    name = world.registered()
    world.serve(name)
    shown(world, name)
    world.model_server.delay = 10
    answer = world.predict(name)
    assert (answer.status_code, problem(answer)) == (503, "unavailable")


def test_a_model_that_is_not_served_yet_says_what_is_happening(world: World, problem: Any) -> None:
    name = world.registered()
    world.serve(name, served_version=None, state="refused", reason="the version is not signed")
    shown(world, name)
    answer = world.predict(name)
    assert (answer.status_code, problem(answer)) == (503, "not-served-yet")
    assert "the version is not signed" in answer.json()["detail"]
    assert "retry-after" in answer.headers


def test_a_model_that_is_not_deployed_is_not_found(world: World, problem: Any) -> None:
    answer = world.predict(world.registered())
    assert (answer.status_code, problem(answer)) == (404, "not-found")


def test_an_outage_of_mlflow_and_of_the_reconciler_stops_no_prediction_that_was_allowed_before() -> None:
    served = [{"model": "digits", "served_version": "1", "state": "serving"}]
    reconciler = StandIn(answer=lambda _request, _body: JSONResponse(served))
    model_server = StandIn(answer=lambda _request, _body: JSONResponse({"predictions": [7]}))
    mlflow = StandIn(answer=lambda _request, _body: JSONResponse({"registered_model": {"name": "digits"}}))
    with (
        gateways.serving(reconciler) as status,
        gateways.serving(model_server) as service,
        gateways.serving(mlflow) as uri,
        gateways.gateway(uri, serving_status=status, deadline_seconds=0.5) as api,
    ):
        served[0]["service"] = service
        known, unknown = (("tester", password) for password in ("known", "unknown"))

        def ask(auth: tuple[str, str]) -> int:
            path = "/api/mlflow/serving/models/digits/predict"
            return api.post(path, json={"inputs": [1]}, auth=auth).status_code

        assert ask(known) == 200
        mlflow.delay = 2
        assert ask(known) == 200
        assert ask(unknown) == 503
        mlflow.delay = 0
        reconciler.delay = 2
        mlflow.answer = lambda _request, _body: JSONResponse({"error_code": "PERMISSION_DENIED"}, 403)
        gateways.until(lambda: ask(known) == 404)
        mlflow.answer = lambda _request, _body: JSONResponse({"registered_model": {"name": "digits"}})
        assert ask(known) == 200


ABSURD = {
    "deep": "[" * 2400 + "]" * 2400,
    "a huge number": '{"model": "digits", "replicas": ' + "9" * 4900 + "}",
    "an overflow": '{"canary": {"max_latency_ratio": 1e999}}',
    "half a character": r'{"model": "\ud800"}',
    "a list": '["digits"]',
    "a type": '{"model": {"name": "digits"}, "version": []}',
    "another model": '{"model": "digits"}',
    "no JSON": "{",
}


@pytest.mark.parametrize("text", ABSURD.values(), ids=ABSURD)
def test_whatever_a_tag_holds_stops_nobody_else(world: World, mlflow_url: str, problem: Any, text: str) -> None:
    name = world.registered()
    tag = {"name": name, "key": "aegis.serving", "value": text}
    httpx.post(f"{mlflow_url}/api/2.0/mlflow/registered-models/set-tag", json=tag).raise_for_status()
    [entry] = [each for each in listed(world) if each["model"] == name]
    assert (entry["state"], entry["wanted_version"]) == ("refused", None)
    assert entry["reason"].startswith("its tag aegis.serving can't be used: ")
    answer = world.predict(name)
    assert (answer.status_code, problem(answer)) == (503, "not-served-yet")
    assert answer.json()["detail"].startswith(f"The model {name!r} is refused: its tag")


def test_a_deployment_that_waits_is_told_in_a_sentence(world: World) -> None:
    name = world.registered()
    world.serve(name, wanted_version=None, served_version=None, state="waiting", reason="MLflow does not answer")
    shown(world, name)
    assert world.predict(name).json()["detail"] == f"The model {name!r} is waiting: MLflow does not answer."


def test_a_list_of_the_reconciler_that_cannot_be_read_is_no_failure_of_the_gateway(mlflow_url: str) -> None:
    reconciler = StandIn(answer=lambda _request, _body: Response("[" * 100_000))
    with (
        gateways.serving(reconciler) as status,
        gateways.gateway(mlflow_url, serving_status=status, deadline_seconds=30) as api,
    ):
        assert api.get("/api/mlflow/serving/models").status_code == 503
