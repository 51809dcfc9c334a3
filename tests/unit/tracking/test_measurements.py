"""The parts of what the tracking server tells about itself, without a server."""

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Message, Scope

from contracts import Exit
from tests.support.gateways import free_port
from workloads.cli import WorkloadError
from workloads.tracking.exchange import Exchange, Observed, Observer
from workloads.tracking.logs import Printed
from workloads.tracking.metrics import port
from workloads.tracking.metrics.database import DatabaseMetrics, operation
from workloads.tracking.metrics.requests import RequestMetrics
from workloads.tracking.metrics.workers import Workers

RUN = "0123456789abcdef0123456789abcdef"
OTHER_RUN = "f" * 32


class Seen:
    """Keeps what it learns."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def begin(self) -> None:
        pass

    def end(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)


async def answer(request: Request) -> JSONResponse:
    await request.body()
    return JSONResponse({"run": {"info": {"run_uuid": OTHER_RUN, "run_id": OTHER_RUN}}})


async def fail(_request: Request) -> JSONResponse:
    raise RuntimeError


async def never(_request: Request) -> JSONResponse:
    raise asyncio.CancelledError


async def take(request: Request) -> JSONResponse:
    try:
        await request.body()
    except ClientDisconnect:
        return JSONResponse({"error_code": "INTERNAL_ERROR"}, 500)
    return JSONResponse({})


APP = Starlette(
    routes=[
        Route("/fail", fail),
        Route("/never", never),
        Route("/take", take, methods=["PUT"]),
        Route("/{path:path}", answer, methods=["GET", "POST", "PUT"]),
    ]
)


class Broken:
    """Fails at everything that it is told."""

    def begin(self) -> None:
        raise OSError

    def end(self, exchange: Exchange) -> None:
        raise OSError


def observed(
    path: str,
    *others: Observer,
    method: str = "GET",
    query: bytes = b"",
    body: bytes = b"",
    leaves: bool = False,
    answers: list[Message] | None = None,
) -> Exchange:
    """Return what an observer learns of one request, after `others`; the client may leave after its body's begin."""
    seen = Seen()
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": leaves}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if answers is not None:
            answers.append(message)

    def route(_scope: Scope, path: str) -> str:
        return path

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": query, "root_path": ""}
    with contextlib.suppress(RuntimeError, asyncio.CancelledError):
        asyncio.run(Observed(APP, route, *others, seen)({**scope, "client": ("10.1.2.3", 4)}, receive, send))
    [exchange] = seen.exchanges
    return exchange


@pytest.mark.parametrize(
    ("path", "query", "body"),
    [
        ("/api/2.0/mlflow/runs/get", b"run_uuid=1&run_id=" + RUN.encode(), b""),
        ("/api/2.0/mlflow/runs/log-batch", b"", b'{"run_id": "' + RUN.encode() + b'", "metrics": []}'),
        ("/api/2.0/mlflow/runs/update", b"", b'{"status":"FINISHED","run_id":"' + RUN.encode() + b'"}'),
        (f"/api/2.0/mlflow-artifacts/artifacts/7/{RUN}/artifacts/model/MLmodel", b"", b"x"),
    ],
)
def test_a_request_is_about_the_run_that_it_names(path: str, query: bytes, body: bytes) -> None:
    assert observed(path, method="POST", query=query, body=body).run_id == RUN


def test_a_request_for_a_new_run_is_about_the_run_of_its_answer() -> None:
    assert observed("/api/2.0/mlflow/runs/create", method="POST", body=b"{}").run_id == OTHER_RUN


@pytest.mark.parametrize(
    "query", [b"run_id=0123", b"run_id=" + b"g" * 32, b"run_id=" + b"a" * 33, b"name=" + b"a" * 32]
)
def test_what_has_not_the_form_of_an_id_is_no_run(query: bytes) -> None:
    assert observed("/api/2.0/mlflow/runs/get", query=query).run_id is None


def test_the_bytes_of_both_bodies_are_counted() -> None:
    exchange = observed("/upload", method="PUT", body=b"x" * 1000)
    assert (exchange.received, exchange.status) == (1000, 200)
    assert exchange.sent > 64


@pytest.mark.parametrize(("path", "status"), [("/fail", 500), ("/never", 499)])
def test_a_request_without_an_answer_has_a_status_too(path: str, status: int) -> None:
    assert observed(path).status == status


@pytest.mark.parametrize("path", ["/take", "/upload"])
def test_a_client_that_leaves_during_its_upload_is_no_failure_of_the_server(path: str) -> None:
    """Whether the app answers 500 itself, or fails with starlette's ClientDisconnect."""
    assert observed(path, method="PUT", body=b"the beginning", leaves=True).status == 499


def test_an_observer_that_fails_costs_no_answer_and_no_other_observer_s_knowledge() -> None:
    answers: list[Message] = []
    assert observed("/x", Broken(), answers=answers).status == 200
    assert [message["status"] for message in answers if message["type"] == "http.response.start"] == [200]


def test_a_method_that_a_client_invents_is_no_label() -> None:
    assert observed("/x", method="XYZZY").method == "other"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", "select"),
        ("\n  (SELECT 1) UNION (SELECT 2)", "select"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "select"),
        ("INSERT INTO runs VALUES (?)", "insert"),
        ("update runs SET name = ?", "update"),
        ("DELETE FROM runs", "delete"),
        ("ALTER TABLE runs", "other"),
        ("", "other"),
    ],
)
def test_a_statement_is_one_of_five_operations(statement: str, expected: str) -> None:
    assert operation(statement) == expected


def test_the_database_is_measured_for_every_engine_and_for_statements_that_fail(tmp_path: Path) -> None:
    metrics = DatabaseMetrics()
    engines = [create_engine(f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "two")]
    with engines[0].connect() as first, engines[1].connect() as second:
        first.execute(text("SELECT 1"))
        second.execute(text("SELECT 2"))
        with pytest.raises(OperationalError):
            second.execute(text("DELETE FROM nothing"))
        used = generate_latest(metrics.registry).decode()
    metrics.update()
    at_rest = generate_latest(metrics.registry).decode()
    for engine in engines:
        engine.dispose()
    assert 'aegis_database_seconds_count{operation="select"} 2.0' in used
    assert 'aegis_database_seconds_count{operation="delete"} 1.0' in used
    assert 'aegis_database_pool_connections{state="used"} 2.0' in used
    assert 'aegis_database_pool_connections{state="used"} 0.0' in at_rest
    assert 'aegis_database_pool_connections{state="idle"} 2.0' in at_rest


def test_the_measurements_have_the_names_that_the_alerts_use() -> None:
    metrics = RequestMetrics()
    metrics.begin()
    metrics.end(observed("/upload", method="PUT", body=b"abc"))
    text = generate_latest(metrics.registry).decode()
    assert 'aegis_http_requests_total{method="PUT",route="/upload",status="200"} 1.0' in text
    assert 'aegis_http_request_bytes_total{route="/upload"} 3.0' in text
    assert "aegis_http_requests_in_progress 0.0" in text
    buckets = [line for line in text.splitlines() if line.startswith("aegis_http_request_duration_seconds_bucket")]
    assert {f'le="{bound}"' in " ".join(buckets) for bound in ("0.1", "0.25", "0.5", "1.0", "2.0", "5.0", "30.0")} == {
        True
    }


def write(folder: Path, kind: str, pid: int, value: float) -> None:
    """Write a file as prometheus_client does in the process `pid`."""
    file = MmapedDict(str(folder / f"{kind}_{pid}.db"))
    name = "requests" if kind == "counter" else "in_progress"
    sample = "requests_total" if kind == "counter" else "in_progress"
    file.write_value(mmap_key(name, sample, [], [], "help"), value, 0.0)
    file.close()


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def shown(folder: Path) -> str:
    registry = CollectorRegistry()
    registry.register(Workers(folder))
    return generate_latest(registry).decode()


def test_a_damaged_file_of_a_worker_is_dropped_and_the_others_count(tmp_path: Path) -> None:
    damaged = tmp_path / f"counter_{ended_process()}.db"
    write(tmp_path, "counter", int(damaged.stem.rpartition("_")[2]), 5)
    # Its length says that there are more bytes than it has.
    damaged.write_bytes(b"\xff\xff\xff\x7f" + damaged.read_bytes()[4:64])
    write(tmp_path, "counter", ended_process(), 7)
    assert "requests_total 7.0" in shown(tmp_path)
    assert not damaged.exists()


def test_a_failure_to_settle_is_not_the_last_attempt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    attempts: list[None] = []
    again = threading.Event()

    def settle(_workers: Workers) -> None:
        attempts.append(None)
        if len(attempts) > 1:
            again.set()
        raise OSError

    monkeypatch.setattr(Workers, "settle", settle)
    monkeypatch.setattr(port, "_INTERVAL", 0.01)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    port.serve(tmp_path, free_port())
    assert again.wait(10)


def test_a_pool_that_is_opened_while_the_pools_are_counted_waits(tmp_path: Path) -> None:
    metrics = DatabaseMetrics()
    engines = [create_engine(f"sqlite:///{tmp_path}/{name}.db") for name in range(2)]
    others: list[threading.Thread] = []

    class Counted(WeakSet[Any]):
        def __iter__(self) -> Iterator[Any]:
            for pool in super().__iter__():
                if not others:
                    others.append(threading.Thread(target=lambda: engines[1].connect().close()))
                    others[0].start()
                    others[0].join(0.5)
                yield pool

    metrics._pools = Counted()
    engines[0].connect().close()
    [other] = others
    other.join()
    assert {engine.pool for engine in engines} == set(metrics._pools)


def test_a_log_that_cannot_be_written_is_complained_about_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Gone(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            try:
                raise BrokenPipeError
            except BrokenPipeError:
                self.handleError(record)

    logger = logging.getLogger("mlflow.cli")
    monkeypatch.setattr(logger, "handlers", [Gone()])
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    with contextlib.redirect_stderr(Printed(logging.WARNING)):
        print("a line", file=sys.stderr)
    assert "BrokenPipeError" in capfd.readouterr().err


def test_a_port_of_the_measurements_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(WorkloadError, match=f"port {taken} of the measurements") as refused:
            port.serve(tmp_path, taken)
    assert refused.value.code == Exit.USAGE


def test_a_worker_that_has_ended_leaves_its_counts_and_nothing_else(tmp_path: Path) -> None:
    alive = os.getpid()
    for _ in range(2):
        ended = ended_process()
        write(tmp_path, "counter", ended, 5)
        write(tmp_path, "gauge_livesum", ended, 1)
        shown(tmp_path)
    write(tmp_path, "counter", alive, 2)
    write(tmp_path, "gauge_livesum", alive, 3)
    (tmp_path / f"histogram_{alive}.db").touch()
    measured = shown(tmp_path)
    assert "requests_total 12.0" in measured
    assert "in_progress 3.0" in measured
    assert {file.name for file in tmp_path.iterdir()} == {
        "counter_ended.db",
        *(f"{kind}_{alive}.db" for kind in ("counter", "gauge_livesum", "histogram")),
    }
