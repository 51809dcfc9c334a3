"""A slow or dead MLflow: every client has an answer within two seconds, and the gateway recovers by itself."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from tests.support import gateways
from tests.support.gateways import StandIn
from workloads.gateway.errors import UnavailableError
from workloads.gateway.transport import Transport
from workloads.gateway.upstream import Upstream

# In seconds. The gateway answers after 1.8 s; the rest is for tests that share two processors. What hangs takes longer.
IN_TIME = 4

# A server in a process of its own, which can be paused and killed.
_SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET

    def log_message(self, *arguments):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
REQUESTS = [
    ("GET", "/api/mlflow/health", None),
    ("GET", "/api/mlflow/runs/r", None),
    ("GET", "/api/mlflow/experiments", None),
    ("POST", "/api/mlflow/experiments/create", {"name": "x"}),
    ("POST", "/api/mlflow/runs/r/log-metrics", {"metrics": {"m": 1}}),
    ("POST", "/api/mlflow/runs/r/log-artifacts?path=x", {}),
    ("GET", "/api/mlflow/runs/r/artifacts/x", None),
    ("GET", "/api/mlflow/serving/models", None),
]


class Server:
    """The process of a server that can be started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.port = gateways.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self.start()

    def start(self) -> None:
        with (self._folder / "log").open("wb") as log:
            self.process = subprocess.Popen([sys.executable, "-c", _SERVER, str(self.port)], stdout=log, stderr=log)
        gateways.wait_for(self.url, self.process, self._folder / "log")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.end()


def ask(client: httpx.Client, request: tuple[str, str, Any], **options: Any) -> tuple[httpx.Response, float]:
    """Return an answer, and the seconds until it came."""
    method, path, body = request
    started = time.monotonic()
    return client.request(method, path, json=body, **options), time.monotonic() - started


def check_refusals(client: httpx.Client, problem: Any) -> None:
    """Check that 40 concurrent requests of all kinds get their 503 in time."""
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda request: ask(client, request), REQUESTS * 5))
    for answer, seconds in answers:
        assert (answer.status_code, problem(answer)) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert seconds < IN_TIME


def answers_again(client: httpx.Client) -> bool:
    return client.get("/api/mlflow/runs/r").status_code == 200


def test_a_killed_mlflow_is_answered_for_and_found_again_when_it_is_back(server: Server, problem: Any) -> None:
    with gateways.gateway(server.url) as client:
        assert answers_again(client)
        server.end()
        check_refusals(client, problem)
        assert "aegis_gateway_circuit_open 1.0" in client.get("/metrics").text
        server.start()
        gateways.until(lambda: answers_again(client))
        assert "aegis_gateway_circuit_open 0.0" in client.get("/metrics").text


def test_a_paused_mlflow_is_answered_for_and_found_again_when_it_goes_on(server: Server, problem: Any) -> None:
    with gateways.gateway(server.url) as client:
        assert answers_again(client)
        os.kill(server.process.pid, signal.SIGSTOP)
        check_refusals(client, problem)
        os.kill(server.process.pid, signal.SIGCONT)
        gateways.until(lambda: answers_again(client))


def test_a_slow_mlflow_is_answered_for(problem: Any) -> None:
    with gateways.serving(StandIn(delay=5)) as url, gateways.gateway(url) as client:
        check_refusals(client, problem)


def test_the_deadline_is_for_all_requests_to_mlflow_together(problem: Any) -> None:
    # Starting with a key takes four requests to MLflow; each alone would be in time.
    run = JSONResponse({"run": {"info": {"run_id": "r"}, "data": {}}})
    mlflow = StandIn(delay=0.7, answer=lambda _request, _body: run)
    with gateways.serving(mlflow) as url, gateways.gateway(url) as client:
        answer, seconds = ask(
            client, ("POST", "/api/mlflow/experiments/1/runs/start", {}), headers={"idempotency-key": "k"}
        )
        assert (answer.status_code, problem(answer)) == (503, "unavailable")
        assert seconds < IN_TIME


def test_an_answer_that_is_not_mlflows_is_a_failure_of_mlflow(problem: Any) -> None:
    with gateways.serving(StandIn()) as url, gateways.gateway(url) as client:
        answer = client.post("/api/mlflow/experiments/create", json={"name": "x"})
        assert (answer.status_code, problem(answer)) == (502, "upstream-failed")


def test_an_open_circuit_asks_mlflow_nothing_but_whether_it_is_alive(problem: Any) -> None:
    mlflow = StandIn(delay=1)
    with gateways.serving(mlflow) as url, gateways.gateway(url, deadline_seconds=0.2) as client:
        for _ in range(5):
            client.get("/api/mlflow/runs/r")
        asked = len(mlflow.asked)
        started = time.monotonic()
        answer = client.get("/api/mlflow/runs/r")
        assert (answer.status_code, problem(answer)) == (503, "unavailable")
        assert time.monotonic() - started < 0.9
        assert all(path == "/health" for _, path, _ in mlflow.asked[asked:])


def test_a_write_that_got_no_answer_is_not_sent_again() -> None:
    mlflow = StandIn(delay=1)
    with gateways.serving(mlflow) as url, gateways.gateway(url, deadline_seconds=0.2) as client:
        assert client.post("/api/mlflow/experiments/create", json={"name": "x"}).status_code == 503
        assert len(mlflow.bodies("experiments/create")) == 1


def test_a_gateway_with_too_many_requests_refuses_more_at_once(problem: Any) -> None:
    with gateways.serving(StandIn(delay=1)) as url, gateways.gateway(url, max_in_flight=4) as client:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask(client, ("GET", "/api/mlflow/runs/r", None)), range(8)))
        refused = [(answer, seconds) for answer, seconds in answers if answer.status_code == 503]
        assert len(refused) == 4
        assert all(problem(answer) == "unavailable" and seconds < 0.9 for answer, seconds in refused)


def test_a_request_that_waits_for_its_turn_in_vain_says_nothing_about_the_servers_health() -> None:
    async def program(url: str) -> tuple[int, bool]:
        transport = Transport(connections=2, kept=2)
        upstream = Upstream("MLflow", url, transport, alive="/health", deadline=20, most=1)
        first = asyncio.create_task(upstream.ask("GET", "/"))
        await asyncio.sleep(0)
        for _ in range(6):
            with pytest.raises(UnavailableError, match="too much to do"):
                await upstream.ask("GET", "/", deadline=asyncio.get_running_loop().time() + 0.05)
        answered = (await first).status, upstream.breaker.is_open
        await transport.aclose()
        return answered

    with gateways.serving(StandIn(delay=1)) as url:
        assert asyncio.run(program(url)) == (200, False)


def test_the_probes_answer_while_mlflow_does_not() -> None:
    with gateways.gateway(f"http://127.0.0.1:{gateways.free_port()}") as client:
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 200


def test_mlflows_own_503_is_passed_on_with_its_retry_after(problem: Any) -> None:
    def overloaded(_request: Any, _body: bytes) -> JSONResponse:
        return JSONResponse({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "No."}, 503, {"retry-after": "7"})

    with gateways.serving(StandIn(answer=overloaded)) as url, gateways.gateway(url) as client:
        answer = client.get("/api/mlflow/runs/r")
        assert (answer.status_code, problem(answer), answer.headers["retry-after"]) == (503, "unavailable", "7")


@pytest.mark.parametrize("status", [500, 504])
def test_a_failure_of_mlflow_is_not_one_of_the_client(problem: Any, status: int) -> None:
    answer_ = PlainTextResponse("no", status)
    with gateways.serving(StandIn(answer=lambda _request, _body: answer_)) as url, gateways.gateway(url) as client:
        answer = client.get("/api/mlflow/runs/r")
        assert (answer.status_code, problem(answer)) == (502, "upstream-failed")
