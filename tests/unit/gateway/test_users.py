"""Two users of a real MLflow with logins work through one gateway at the same time, each with their own rights only."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse

from tests.support import gateways
from tests.support.gateways import StandIn
from tests.support.tracking_store import unique

USERS = {name: (name, f"the password of {name}") for name in ("anna", "ben")}


@dataclass(kw_only=True)
class World:
    """An MLflow with users, and a gateway to it. `served` is what the reconciler says, and `service` serves models."""

    address: str
    admin: httpx.Client
    served: list[dict[str, str]]
    service: str

    def client(self, auth: tuple[str, str] | None) -> httpx.Client:
        return httpx.Client(base_url=f"{self.address}/api/mlflow/", auth=auth, timeout=60)

    def grant(self, user: str, kind: str, name: str, permission: str) -> None:
        self.revoke(user, kind, name)
        self._change("grant", username=user, resource_type=kind, resource_id=name, permission=permission)

    def revoke(self, user: str, kind: str, name: str) -> None:
        self.admin.post(
            "/api/3.0/mlflow/users/permissions/revoke",
            json={"username": user, "resource_type": kind, "resource_id": name},
        )

    def _change(self, action: str, **body: str) -> None:
        self.admin.post(f"/api/3.0/mlflow/users/permissions/{action}", json=body).raise_for_status()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    served: list[dict[str, str]] = []
    with (
        gateways.mlflow_server(tmp_path_factory.mktemp("users"), login=True) as url,
        gateways.serving(StandIn(answer=lambda _request, _body: JSONResponse(served))) as status,
        gateways.serving(StandIn(answer=lambda _request, _body: JSONResponse({"predictions": [1]}))) as service,
        gateways.gateway(url, serving_status=status, deadline_seconds=60) as gateway,
        httpx.Client(base_url=url, auth=gateways.ADMIN, timeout=60) as admin,
    ):
        for name, password in USERS.values():
            body = {"username": name, "password": password}
            admin.post("/api/2.0/mlflow/users/create", json=body).raise_for_status()
        yield World(address=str(gateway.base_url).rstrip("/"), admin=admin, served=served, service=service)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one user made."""

    experiment: str
    run: str
    model: str


@pytest.fixture(scope="module")
def works(world: World) -> dict[str, Work]:
    """What each user made, both at the same time."""

    def make(user: str) -> Work:
        with world.client(USERS[user]) as api:
            created = api.post("experiments/create", json={"name": f"experiment of {user}"}).json()
            experiment = created["experiment_id"]
            run = api.post(f"experiments/{experiment}/runs/start", json={"run_name": f"run of {user}"}).json()["run_id"]
            api.post(f"runs/{run}/log-artifacts?path=model/MLmodel", content=f"user: {user}\n".encode())
            body = {"name": f"model of {user}", "source": f"runs:/{run}/model"}
            assert api.post("models/register", json=body).status_code == 201
            return Work(experiment=experiment, run=run, model=body["name"])

    with ThreadPoolExecutor() as pool:
        return dict(zip(USERS, pool.map(make, USERS), strict=True))


def requests(work: Work) -> list[tuple[str, str, Any]]:
    """Return a request for each thing that can be done with a user's work, the reading ones first."""
    return [
        ("GET", f"experiments/{work.experiment}", None),
        ("GET", f"runs/{work.run}", None),
        ("GET", f"runs/{work.run}/artifacts", None),
        ("GET", f"runs/{work.run}/artifacts/model/MLmodel", None),
        ("GET", f"models/{work.model}", None),
        ("GET", f"models/{work.model}/versions", None),
        ("POST", f"experiments/{work.experiment}/runs/start", {}),
        ("POST", f"runs/{work.run}/log-params", {"params": {"lr": 1}}),
        ("POST", f"runs/{work.run}/log-params", {"params": {}}),
        ("POST", f"runs/{work.run}/log-metrics", {"metrics": {"loss": 1}}),
        ("POST", f"runs/{work.run}/log-metrics", {"metrics": {}}),
        ("POST", f"runs/{work.run}/log-artifacts", {"any": "content"}),
        ("POST", f"experiments/{work.experiment}/runs/{work.run}/end", {}),
        ("POST", f"models/{work.model}/versions/1/stage", {"stage": "Staging"}),
        ("POST", "models/register", {"name": work.model, "source": f"runs:/{work.run}/model"}),
        ("POST", "serving/models/deploy", {"model_name": work.model, "version": "1"}),
        ("DELETE", f"serving/models/{work.model}", None),
    ]


def all_at_once(world: World, sends: list[Callable[[httpx.AsyncClient], Awaitable[Any]]]) -> list[Any]:
    """Return what all of them return, over the few connections of one client without a login."""

    async def run() -> list[Any]:
        limits = httpx.Limits(max_connections=20)
        async with httpx.AsyncClient(base_url=f"{world.address}/api/mlflow/", timeout=120, limits=limits) as client:
            return await asyncio.gather(*(send(client) for send in sends))

    return asyncio.run(run())


def sending(user: str, method: str, path: str, body: Any = None) -> Callable[[httpx.AsyncClient], Awaitable[Any]]:
    return lambda client: client.request(method, path, json=body, auth=USERS[user])


def test_users_in_parallel_see_only_what_is_theirs(world: World, works: dict[str, Work]) -> None:
    lists = {"experiments": "experiments", "models": "registered_models"}
    asked = [(user, path) for _ in range(10) for path in lists for user in USERS]
    answers = all_at_once(world, [sending(user, "GET", path) for user, path in asked])
    for (user, path), answer in zip(asked, answers, strict=True):
        assert {each["name"] for each in answer.json()[lists[path]]} == {f"{path.removesuffix('s')} of {user}"}


def test_users_in_parallel_read_and_change_only_what_is_theirs(world: World, works: dict[str, Work]) -> None:
    asked = [(user, owner) for user in USERS for owner in USERS]
    each_step = itertools.chain.from_iterable(zip(*(requests(works[owner]) for _, owner in asked), strict=True))
    sends = [sending(user, *request) for (user, _), request in zip(itertools.cycle(asked), each_step, strict=False)]
    answers = all_at_once(world, sends)
    for (user, owner), answer in zip(itertools.cycle(asked), answers, strict=False):
        expected = (200, 201, 202, 404) if user == owner else (403,)
        assert answer.status_code in expected, (user, owner, answer.request.url, answer.text)
    files = [answer.text for answer in answers if answer.request.url.path.endswith("MLmodel")]
    assert [text for text in files if text.startswith("user:")] == [f"user: {user}\n" for user in USERS]


def test_metrics_of_users_in_parallel_are_logged_with_the_rights_of_each(world: World, works: dict[str, Work]) -> None:
    asked = [(user, owner, step) for step in range(15) for user in USERS for owner in USERS]
    sends = [
        sending(user, "POST", f"runs/{works[owner].run}/log-metrics", {"metrics": {f"of {user}": step}, "step": step})
        for user, owner, step in asked
    ]
    for (user, owner, _), answer in zip(asked, all_at_once(world, sends), strict=True):
        assert answer.status_code == (200 if user == owner else 403)
    for owner, work in works.items():
        with world.client(USERS[owner]) as api:
            logged = api.get(f"runs/{work.run}").json()["run"]["data"]["metrics"]
        assert {each["key"] for each in logged if each["key"].startswith("of ")} == {f"of {owner}"}


@pytest.mark.parametrize("auth", [None, ("anna", "wrong"), ("nobody", "x")], ids=["none", "password", "user"])
def test_nothing_is_done_without_a_login(world: World, works: dict[str, Work], problem: Any, auth: Any) -> None:
    with world.client(auth) as api:
        for method, path, body in [*requests(works["anna"]), ("GET", "models", None), ("GET", "version", None)]:
            answer = api.request(method, path, json=body)
            assert (answer.status_code, problem(answer)) == (401, "unauthenticated"), path
            assert answer.headers["www-authenticate"] == 'Basic realm="mlflow"'
        assert api.get("health").json()["status"] == "healthy"


def test_a_right_begins_at_once_and_ends_within_seconds(world: World, works: dict[str, Work]) -> None:
    work = works["anna"]
    world.served[:] = [{"model": work.model, "served_version": "1", "state": "serving", "service": world.service}]
    predict = f"serving/models/{work.model}/predict"
    with world.client(USERS["ben"]) as ben:
        for _ in range(2):
            assert ben.post(predict, json={}).status_code == 404
            world.grant("ben", "registered_model", work.model, "READ")
            assert ben.post(predict, json={}).json() == {"predictions": [1]}
            assert work.model in {each["model"] for each in ben.get("serving/models").json()["models"]}
            world.revoke("ben", "registered_model", work.model)
            gateways.until(lambda: ben.post(predict, json={}).status_code == 404, 5)
            assert work.model not in {each["model"] for each in ben.get("serving/models").json()["models"]}


@pytest.fixture
def shared(world: World, works: dict[str, Work]) -> Iterator[Work]:
    """Work of anna that ben may change, but not delete."""
    work = works["anna"]
    names = {"experiment": work.experiment, "registered_model": work.model}
    for kind, name in names.items():
        world.grant("ben", kind, name, "EDIT")
    yield work
    for kind, name in names.items():
        world.revoke("ben", kind, name)


@pytest.mark.parametrize("operation", ["start", "register"])
def test_a_key_works_for_a_user_who_may_not_delete(world: World, shared: Work, operation: str) -> None:
    path, body = {
        "start": (f"experiments/{shared.experiment}/runs/start", {}),
        "register": ("models/register", {"name": shared.model, "source": f"runs:/{shared.run}/model"}),
    }[operation]
    headers = {"idempotency-key": unique("key")}
    answers = all_at_once(
        world, [lambda client: client.post(path, json=body, auth=USERS["ben"], headers=headers) for _ in range(6)]
    )
    assert {answer.status_code for answer in answers} == {201}
    made = [answer.json() for answer in answers]
    assert len({each.get("run_id") or each["model_version"]["version"] for each in made}) == 1


def test_the_key_of_one_user_does_not_answer_another(world: World, shared: Work) -> None:
    path, headers = f"experiments/{shared.experiment}/runs/start", {"idempotency-key": unique("key")}
    answers = all_at_once(
        world,
        [lambda client, auth=auth: client.post(path, json={}, auth=auth, headers=headers) for auth in USERS.values()],
    )
    again = [
        httpx.post(answer.request.url, json={}, auth=auth, headers=headers)
        for answer, auth in zip(answers, USERS.values(), strict=True)
    ]
    runs = [answer.json()["run_id"] for answer in answers]
    assert len(set(runs)) == 2
    assert [answer.json()["run_id"] for answer in again] == runs


def test_large_uploads_that_mlflow_refuses_are_refused_and_leave_it_reachable(
    world: World, works: dict[str, Work]
) -> None:
    work = works["anna"]
    world.grant("ben", "experiment", work.experiment, "READ")
    with world.client(USERS["ben"]) as ben:
        for _ in range(6):
            answer = ben.post(f"runs/{work.run}/log-artifacts?path=large", content=bytes(5 << 20))
            assert answer.status_code == 403
    world.revoke("ben", "experiment", work.experiment)
    with world.client(USERS["anna"]) as anna:
        assert anna.get(f"runs/{work.run}").status_code == 200


def test_the_page_shows_users_in_parallel_only_what_is_theirs(world: World, works: dict[str, Work]) -> None:
    with httpx.Client(base_url=world.address, timeout=120) as browser:
        assert browser.get("/").status_code == 401
        page = browser.get("/", auth=USERS["anna"])
    asked = [(user, event) for event in clicks(page.text, works["anna"]) for user in USERS]
    answers = all_at_once(
        world, [sending(user, "POST", f"{world.address}/gradio_api/run/predict", event) for user, event in asked]
    )
    assert {answer.status_code for answer in answers} == {200}
    seen = {
        user: "".join(answer.text for (who, _), answer in zip(asked, answers, strict=True) if who == user)
        for user in USERS
    }
    for thing in ("experiment", "run"):
        assert f"{thing} of anna" in seen["anna"]
        assert f"{thing} of anna" not in seen["ben"]
    assert "experiment of ben" in seen["ben"]
    assert "of ben" not in seen["anna"]


def clicks(page: str, work: Work) -> list[dict[str, Any]]:
    """Return what a browser sends for each event of the page, with nothing chosen, and with a user's work chosen.

    All have one session: whoever knows the session of somebody else learns nothing by it.
    """
    config, _ = json.JSONDecoder().raw_decode(page.partition("window.gradio_config = ")[2])
    labels = {each["id"]: each["props"].get("label") for each in config["components"]}
    nothing = {"Input (JSON)": "{}"}
    chosen = {"Experiment": work.experiment, "Model": work.model, "Served model": work.model, "Runs": [work.run]}
    return [
        {
            "fn_index": event["id"],
            "data": [choices.get(labels[each]) for each in event["inputs"]],
            "event_data": {"index": 0, "value": "Curves"},
            "session_hash": "the same",
        }
        for event in config["dependencies"]
        if event["backend_fn"]
        for choices in (nothing, nothing | chosen)
    ]
