"""What the server answers besides predictions: its state, its errors, its metrics, and what it saw."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel

from tests.unit.serving.server.conftest import Serve, Server, in_memory, tensor

ONE = tensor("x", "FP32", [[1.0, 2.0]])


@dataclass(frozen=True, kw_only=True)
class Hanging:
    model: PyFuncModel
    release: threading.Event


def fail(_: Any) -> Any:
    raise ZeroDivisionError("the weights are gone")


def test_a_server_is_live_and_ready(serve: Serve) -> None:
    client = serve(in_memory(np.negative)).client
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2").json()["name"] == "aegis"
    for path in ("/v2/models/digits/ready", "/v2/models/digits/versions/3/ready"):
        assert client.get(path).json() == {"name": "digits", "ready": True}


def test_a_stopping_server_is_live_and_answers_but_is_not_ready(serve: Serve) -> None:
    server = serve(in_memory(np.negative))
    server.state.stopping = True
    assert server.client.get("/v2/health/ready").status_code == 503
    assert server.client.get("/v2/models/digits/ready").status_code == 503
    assert server.client.get("/v2/health/live").status_code == 200
    assert server.client.get("/ping").status_code == 200
    answer = server.infer(ONE)
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


def test_every_answer_says_which_version_gave_it(serve: Serve) -> None:
    client = serve(in_memory(np.negative)).client
    answers = [
        client.post("/invocations", json={"inputs": [1.0]}),
        client.post("/invocations", content=b"{"),
        client.post("/v2/models/digits/infer", json={"inputs": [ONE]}),
        client.get("/v2/models/other"),
    ]
    assert [each.headers["x-aegis-model-version"] for each in answers] == ["3"] * len(answers)


@pytest.mark.parametrize("path", ["other", "other/ready", "digits/versions/4", "digits/versions/4/ready"])
def test_another_model_or_version_is_not_found(serve: Serve, path: str) -> None:
    answer = serve(in_memory(np.negative)).client.get(f"/v2/models/{path}")
    assert answer.status_code == 404
    assert "isn't served here, only digits version 3" in answer.json()["error"]


def test_a_prediction_of_another_model_is_not_found(serve: Serve) -> None:
    client = serve(in_memory(np.negative)).client
    for path in ("other/infer", "digits/versions/4/infer"):
        assert client.post(f"/v2/models/{path}", json={"inputs": [ONE]}).status_code == 404


def test_unknown_paths_and_methods_have_errors_as_json(serve: Serve) -> None:
    client = serve(in_memory(np.negative)).client
    assert (client.get("/nowhere").status_code, client.get("/nowhere").json()) == (404, {"error": "Not Found."})
    assert client.get("/invocations").status_code == 405
    assert client.get("/v2/models/digits/infer").json() == {"error": "Method Not Allowed."}


def test_a_failure_of_the_model_is_told_without_its_stack(serve: Serve) -> None:
    server = serve(in_memory(fail))
    inferred, invoked = server.infer(ONE), server.invoke(inputs=[[1.0]])
    assert (inferred.status_code, invoked.status_code) == (500, 500)
    assert inferred.json() == {"error": "The model failed: ZeroDivisionError: the weights are gone"}
    assert invoked.json()["error_code"] == "INTERNAL_ERROR"
    assert "the weights are gone" in invoked.json()["message"]
    for answer in (inferred, invoked):
        assert "Traceback" not in answer.text
        assert ".py" not in answer.text


def test_a_refusal_by_the_model_is_the_callers_error(serve: Serve) -> None:
    def refuse(_: Any) -> Any:
        raise MlflowException.invalid_parameter_value("the prompt is empty")

    server = serve(in_memory(refuse))
    assert server.infer(ONE).json() == {"error": "the prompt is empty"}
    assert server.infer(ONE).status_code == 400
    assert server.seen.observed == []


def test_the_watcher_sees_inputs_times_and_failures(serve: Serve, pytorch_folder: Path, samples: np.ndarray) -> None:
    server = serve(pytorch_folder)
    server.infer(tensor("pixels", "FP32", samples.tolist()))
    server.invoke(inputs=samples.tolist())
    for inputs, seconds, ok in server.seen.observed:
        np.testing.assert_array_equal(inputs, samples)  # type: ignore[arg-type]
        assert (seconds > 0, ok) == (True, True)
    assert server.client.get("/watch").json() == {"observed": 2}
    failing = serve(in_memory(fail))
    failing.infer(ONE)
    assert [ok for _, _, ok in failing.seen.observed] == [False]


def test_the_metrics_count_by_route_and_status(serve: Serve) -> None:
    server = serve(in_memory(fail))
    server.infer(ONE)
    server.client.get("/v2/models/other")
    server.client.get("/v2/models/another")
    text = server.client.get("/metrics").text
    label = 'model="digits",route="{}",status="{}",version="3"'
    for route, status, count in (("/v2/models/{name}/infer", 500, 1), ("/v2/models/{name}", 404, 2)):
        assert f"aegis_model_server_requests_total{{{label.format(route, status)}}} {count}.0" in text
    assert 'aegis_model_server_failures_total{model="digits",version="3"} 1.0' in text
    assert (
        'aegis_model_server_request_seconds_count{model="digits",route="/v2/models/{name}/infer",version="3"} 1' in text
    )
    assert 'aegis_model_server_in_flight{model="digits",version="3"} 1.0' in text


@pytest.mark.parametrize("path", ["/invocations", "/v2/models/digits/infer"])
def test_a_body_over_the_limit_is_refused(serve: Serve, path: str) -> None:
    client = serve(in_memory(np.negative), largest_body=1000).client
    assert client.post(path, content=b"x" * 1001).status_code == 413
    assert client.post(path, content=iter([b"x" * 600] * 2)).status_code == 413
    assert client.post(path, content=b" " * 1000).status_code in (400, 415)


def test_a_prediction_that_takes_too_long_is_given_up(serve: Serve) -> None:
    release = threading.Event()
    server = serve(in_memory(lambda _: release.wait(30)), seconds=0.2)
    try:
        for answer in (server.infer(ONE), server.invoke(inputs=[[1.0]])):
            assert (answer.status_code, answer.json()) == (504, {"error": "There was no answer within 0.2 s."})
    finally:
        release.set()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """A model whose predictions end when they are released."""
    release = threading.Event()
    yield Hanging(model=in_memory(lambda value: value if release.wait(30) else None), release=release)
    release.set()


def health(server: Server) -> tuple[int, int]:
    """Return the status of readiness and of liveness."""
    ready, live = (server.client.get(f"/v2/health/{name}").status_code for name in ("ready", "live"))
    return ready, live


def becomes(server: Server, *wanted: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if health(server) == wanted:
            return True
        time.sleep(0.02)
    return False


def test_a_server_whose_threads_all_hang_is_not_ready_and_then_not_alive(
    serve: Serve, hanging: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(hanging.model, predictions=2, seconds=0.3)
    assert [server.infer(ONE).status_code for _ in range(2)] == [504, 504]
    assert becomes(server, 503, 200)
    assert server.client.get("/v2/models/digits/ready").json() == {"name": "digits", "ready": False}
    assert becomes(server, 503, 503)
    assert "All 2 predictions have hung for" in caplog.text


def test_a_server_whose_threads_go_on_is_ready_again(serve: Serve, hanging: Hanging) -> None:
    server = serve(hanging.model, predictions=1, seconds=0.2)
    server.infer(ONE)
    assert becomes(server, 503, 503)
    hanging.release.set()
    assert becomes(server, 200, 200)


def test_one_long_prediction_leaves_the_server_ready_and_alive(serve: Serve, hanging: Hanging) -> None:
    server = serve(hanging.model, predictions=2, seconds=0.1)
    server.infer(ONE)
    time.sleep(0.7)
    assert health(server) == (200, 200)


def test_a_server_that_is_always_busy_is_ready_and_alive(serve: Serve) -> None:
    server = serve(in_memory(lambda value: (time.sleep(0.05), value)[1]), predictions=1, seconds=0.8)
    ends = time.monotonic() + 2
    seen = set()

    def ask() -> None:
        while time.monotonic() < ends:
            server.infer(ONE)

    callers = [threading.Thread(target=ask) for _ in range(3)]
    for caller in callers:
        caller.start()
    while time.monotonic() < ends:
        seen.add(health(server))
    for caller in callers:
        caller.join()
    assert seen == {(200, 200)}


@pytest.mark.parametrize("limits", [{"predictions": 2, "bodies": 8}, {"predictions": 2, "bodies": 3}])
def test_what_is_too_much_waits_while_the_probes_answer(serve: Serve, limits: dict[str, int]) -> None:
    running, most, lock, release = 0, 0, threading.Lock(), threading.Event()

    def predict(value: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        release.wait(30)
        with lock:
            running -= 1
        return value

    server = serve(in_memory(predict), **limits)
    statuses: list[int] = []
    callers = [threading.Thread(target=lambda: statuses.append(server.infer(ONE).status_code)) for _ in range(12)]
    for caller in callers:
        caller.start()
    while running < 2:
        time.sleep(0.001)
    assert server.client.get("/v2/health/ready").status_code == 200
    release.set()
    for caller in callers:
        caller.join()
    assert (statuses, most) == ([200] * 12, 2)
