"""What a client does with curl: experiments, runs and models, with the bodies of the documentation."""

from typing import Any

import httpx
import pytest

from tests.support.tracking_store import unique


def test_a_run_is_recorded_from_its_experiment_to_its_end(api: httpx.Client) -> None:
    new = {"name": unique("digits"), "description": "Handwritten digits", "tags": {"team": "vision"}}
    created = api.post("/api/mlflow/experiments/create", json=new)
    experiment = created.json()["experiment_id"]
    assert created.status_code == 201
    assert api.get(created.headers["location"]).json()["experiment"]["name"] == new["name"]

    started = api.post(
        f"/api/mlflow/experiments/{experiment}/runs/start", json={"run_name": "first", "tags": {"purpose": "try"}}
    )
    run = started.json()["run_id"]
    api.post(f"/api/mlflow/runs/{run}/log-params", json={"params": {"lr": 0.1, "layers": 3, "nesterov": True}})
    api.post(f"/api/mlflow/runs/{run}/log-metrics", json={"metrics": {"loss": 0.25}, "step": 7})
    ended = api.post(f"/api/mlflow/experiments/{experiment}/runs/{run}/end", json={"status": "FINISHED"})
    assert ended.json()["run_info"]["status"] == "FINISHED"

    data = api.get(f"/api/mlflow/runs/{run}").json()["run"]["data"]
    assert {each["key"]: each["value"] for each in data["params"]} == {"lr": "0.1", "layers": "3", "nesterov": "True"}
    assert [(each["key"], each["value"], each["step"]) for each in data["metrics"]] == [("loss", 0.25, 7)]
    assert {"key": "purpose", "value": "try"} in data["tags"]


def test_parameters_and_metrics_may_be_lists_as_in_mlflow(api: httpx.Client, run: str) -> None:
    api.post(f"/api/mlflow/runs/{run}/log-params", json={"params": [{"key": "lr", "value": "0.1"}]})
    entries = [{"key": "loss", "value": 0.5, "timestamp": 1000, "step": 1}, {"key": "bound", "value": "Infinity"}]
    api.post(f"/api/mlflow/runs/{run}/log-metrics", json={"metrics": entries})
    data = api.get(f"/api/mlflow/runs/{run}").json()["run"]["data"]
    assert data["params"] == [{"key": "lr", "value": "0.1"}]
    metrics = {each["key"]: (each["timestamp"], each["step"]) for each in data["metrics"]}
    assert metrics["loss"] == (1000, 1)
    assert set(metrics) == {"bound", "loss"}


def test_a_model_is_registered_and_its_version_moved_to_a_stage(api: httpx.Client, run: str) -> None:
    name = unique("model")
    new = {"name": name, "description": "Recognises digits", "tags": {"team": "vision"}}
    registered = api.post("/api/mlflow/models/register", json=new)
    assert registered.json()["registered_model"]["description"] == "Recognises digits"
    api.post(f"/api/mlflow/runs/{run}/log-artifacts?path=model/MLmodel", content=b"flavors: {}\n")
    version = api.post("/api/mlflow/models/register", json={"name": name, "model_uri": f"runs:/{run}/model"})
    assert version.json()["model_version"]["run_id"] == run

    staged = api.post(f"/api/mlflow/models/{name}/versions/1/stage", json={"stage": "Production"})
    assert staged.json()["model_version"]["current_stage"] == "Production"
    assert api.get(f"/api/mlflow/models/{name}").json()["registered_model"]["name"] == name
    versions = api.get(f"/api/mlflow/models/{name}/versions").json()["model_versions"]
    assert [each["version"] for each in versions] == ["1"]


def test_the_state_of_mlflow_and_the_versions_are_told(api: httpx.Client) -> None:
    assert api.get("/api/mlflow/health").json()["status"] == "healthy"
    assert api.get("/api/mlflow/version").json()["mlflow"].startswith("3.")
    assert api.get("/api/mlflow/info").json()["limits"]["deadline_seconds"] == 30


def test_lists_come_in_pages_that_together_have_every_entry_once(api: httpx.Client) -> None:
    names = {unique("paged") for _ in range(5)}
    for name in names:
        api.post("/api/mlflow/experiments/create", json={"name": name})
    found: list[str] = []
    page: dict[str, Any] = {"next_page_token": None}
    while "next_page_token" in page:
        token = {"page_token": page["next_page_token"]} if page["next_page_token"] else {}
        page = api.get("/api/mlflow/experiments", params={"max_results": 2, **token}).json()
        assert len(page["experiments"]) <= 2
        found += [each["name"] for each in page["experiments"]]
    assert names <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("path", ["experiments", "models"])
def test_an_unknown_page_is_refused(api: httpx.Client, problem: Any, path: str) -> None:
    answer = api.get(f"/api/mlflow/{path}", params={"page_token": "bm90aGluZw=="})
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")


def test_a_query_with_an_unknown_parameter_is_refused(api: httpx.Client, problem: Any) -> None:
    answer = api.get("/api/mlflow/experiments?maxresults=1")
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")
    assert answer.json()["detail"] == (
        "The query has an unknown parameter 'maxresults'; allowed are max_results, page_token."
    )
    assert "this address has none" in api.get("/api/mlflow/info?x").json()["detail"]


@pytest.mark.parametrize("number", ["0", "1001", "-1", "many"])
def test_the_size_of_a_page_is_limited(api: httpx.Client, problem: Any, number: str) -> None:
    answer = api.get("/api/mlflow/models", params={"max_results": number})
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")


def test_lists_without_entries_have_an_empty_list(api: httpx.Client, run: str) -> None:
    name = unique("model")
    api.post("/api/mlflow/models/register", json={"name": name})
    assert api.get(f"/api/mlflow/models/{name}/versions").json()["model_versions"] == []
    assert api.get(f"/api/mlflow/runs/{run}/artifacts").json()["files"] == []


def test_a_run_is_ended_only_through_its_own_experiment(api: httpx.Client, run: str, problem: Any) -> None:
    other = api.post("/api/mlflow/experiments/create", json={"name": unique("other")}).json()["experiment_id"]
    answer = api.post(f"/api/mlflow/experiments/{other}/runs/{run}/end")
    assert (answer.status_code, problem(answer)) == (404, "not-found")


def test_measurements_name_templates_of_routes_and_never_ids(api: httpx.Client, run: str) -> None:
    api.get(f"/api/mlflow/runs/{run}")
    text = api.get("/metrics").text
    assert 'aegis_gateway_requests_total{method="GET",route="/api/mlflow/runs/{run_id}",status="200"}' in text
    assert run not in text
