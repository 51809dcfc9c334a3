"""Clients that send slowly, half or too much: they are ended, and hold no place for others."""

import contextlib
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from starlette.responses import JSONResponse

from tests.support import gateways
from tests.support.gateways import StandIn
from workloads.gateway.api import connection
from workloads.gateway.api.connection import Connection
from workloads.gateway.app import create_app
from workloads.gateway.settings import Settings

METADATA = "/api/mlflow/experiments/create"
PREDICT = "/api/mlflow/serving/models/m/predict"
UPLOAD = "/api/mlflow/runs/r/log-artifacts?path=x"
PAGE = "/gradio_api/run/predict"


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A gateway that waits for a body for 0.3 s, for an input for 0.6 s, and for an upload for 0.3 s without a byte."""
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.5)
    run = {"run": {"info": {"run_id": "r", "artifact_uri": "mlflow-artifacts:/1/r/artifacts"}, "data": {}}}
    with gateways.serving(StandIn(answer=lambda *_: JSONResponse(run))) as mlflow:
        settings = Settings(tracking_uri=mlflow, body_seconds=0.3, predict_seconds=0.6, artifact_seconds=0.3)
        with gateways.serving(create_app(settings), http=Connection) as url:
            yield url


@contextlib.contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port), timeout=60) as client:
        yield client


def head(path: str, length: int = 100) -> bytes:
    text = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    return text.encode()


def read(client: socket.socket) -> bytes:
    """Return all that comes until the gateway closes the connection."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            found += part
    return found


@pytest.mark.parametrize("path", [METADATA, PREDICT, UPLOAD, PAGE])
def test_half_a_body_ends_with_a_problem_and_the_connection(url: str, path: str) -> None:
    with connected(url) as client:
        client.sendall(head(path) + b"{")
        answer = read(client)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"urn:aegis:problem:too-slow" in answer
    assert b"connection: close" in answer.lower()


def test_a_body_that_comes_byte_by_byte_ends_too(url: str) -> None:
    started = time.monotonic()
    with connected(url) as client:
        client.sendall(head(METADATA))
        with contextlib.suppress(OSError):
            for _ in range(30):
                client.sendall(b" ")
                time.sleep(0.1)
    assert time.monotonic() - started < 2


def test_an_upload_may_take_longer_as_long_as_it_comes(url: str) -> None:
    with connected(url) as client:
        client.sendall(head(UPLOAD, 8))
        for _ in range(8):
            client.sendall(b"x")
            time.sleep(0.1)
        assert client.recv(100).startswith(b"HTTP/1.1 201 ")


def test_the_rest_of_a_body_that_was_answered_early_is_not_waited_for(url: str) -> None:
    with connected(url) as client:
        client.sendall(head("/nothing") + b"{")
        assert read(client).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n"])
def test_a_connection_without_complete_headers_is_closed(url: str, sent: bytes) -> None:
    with connected(url) as client:
        client.sendall(sent)
        assert read(client) == b""


def test_half_a_second_request_is_closed_too(url: str) -> None:
    with connected(url) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(1000)
        started = time.monotonic()
        client.sendall(b"GET /livez HT")
        assert read(client) == b""
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("end", [b"\r\n\r\n", b""])
@pytest.mark.parametrize("size", [66_000, 3_000_000])
def test_too_many_headers_are_refused(url: str, size: int, end: bytes) -> None:
    with connected(url) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * size + end)
        answer = read(client)
    assert answer.startswith(b"HTTP/1.1 431 ") or (size > 66_000 and not answer)


def test_large_bodies_and_many_requests_of_one_connection_are_answered(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        for _ in range(3):
            assert client.post(METADATA, content=b'{"name": "%b"}' % (b"x" * 900_000)).status_code == 422
            assert client.get("/livez", headers={"x-large": "x" * 60_000}).status_code == 200


def test_many_half_bodies_take_the_places_of_others_only_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    with gateways.serving(StandIn(delay=0)) as mlflow, contextlib.ExitStack() as stack:
        settings = Settings(tracking_uri=mlflow, body_seconds=0.5, max_in_flight=3)
        url = stack.enter_context(gateways.serving(create_app(settings), http=Connection))
        for _ in range(3):
            stack.enter_context(connected(url)).sendall(head(METADATA) + b"{")
        gateways.until(lambda: httpx.get(f"{url}/readyz").status_code == 503)
        gateways.until(lambda: httpx.get(f"{url}/readyz").status_code == 200, 3)
