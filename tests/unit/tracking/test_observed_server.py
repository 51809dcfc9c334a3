"""What Prometheus and the log learn of a real server with two worker processes."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.support.tracking_server import TrackingServer, tracking_server, until

API = "/api/2.0/mlflow"
ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/{artifact_path}"
HOST = "mlflow.example.com"
SECRETS = {
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "only-for-sessions",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": "a passphrase of the gateway",
    "AWS_SECRET_ACCESS_KEY": "the/key+of/the+bucket",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    variables = {"AEGIS_LOGS": "json", "AEGIS_LOG_LEVEL": "debug", "MLFLOW_SERVER_ALLOWED_HOSTS": HOST, **SECRETS}
    with tracking_server(tmp_path_factory.mktemp("tracking"), workers=2, environment=variables) as running:
        yield running


def ask(server: TrackingServer, method: str, path: str, **options: object) -> int:
    headers = {"host": HOST, **dict(options.pop("headers", {}))}  # type: ignore[call-overload]
    return server.call(method, path, headers=headers, **options).status_code


def new_run(server: TrackingServer) -> str:
    answer = server.call("POST", f"{API}/runs/create", headers={"host": HOST}, json={"experiment_id": "0"})
    return answer.json()["run"]["info"]["run_id"]


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", f"{API}/experiments/get?experiment_id=0", f"{API}/experiments/get", 200),
        ("GET", f"{API}/runs/get?run_id=nothing", f"{API}/runs/get", 404),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/a/b.bin", ARTIFACT, 200),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts/0/a/none.bin", ARTIFACT, 404),
        ("POST", "/v1/traces", "/v1/traces", 422),
        ("GET", "/api/3.0/mlflow/mcp-servers/one/two", "/api/3.0/mlflow/mcp-servers/{name}", 404),
        ("GET", "/health", "/health", 200),
        ("GET", "/ready", "/ready", 200),
        ("GET", "/an/address/of/nothing", "unmatched", 404),
        ("DELETE", f"{API}/runs/get", "unmatched", 405),
    ],
)
def test_an_answer_counts_for_the_template_of_its_route(
    server: TrackingServer, method: str, path: str, route: str, status: int
) -> None:
    labels = {"method": method, "route": route}

    def counts() -> tuple[float, float]:
        return (
            server.value("aegis_http_requests_total", **labels, status=str(status)),
            server.value("aegis_http_request_duration_seconds_count", **labels),
        )

    before = counts()
    assert ask(server, method, path) == status
    until(lambda: counts() == (before[0] + 1, before[1] + 1))


def test_the_answers_of_all_workers_are_counted(server: TrackingServer) -> None:
    labels = {"route": f"{API}/experiments/search", "status": "200"}
    before = server.value("aegis_http_requests_total", **labels)
    assert {ask(server, "GET", f"{API}/experiments/search?max_results=1") for _ in range(40)} == {200}
    until(lambda: server.value("aegis_http_requests_total", **labels) == before + 40)


def test_the_bytes_of_uploads_and_downloads_are_counted(server: TrackingServer) -> None:
    path, size = "/api/2.0/mlflow-artifacts/artifacts/0/large.bin", 300_000

    def counts() -> tuple[float, float]:
        names = ("aegis_http_request_bytes_total", "aegis_http_response_bytes_total")
        received, sent = (server.value(name, route=ARTIFACT) for name in names)
        return received, sent

    before = counts()
    assert ask(server, "PUT", path, content=b"x" * size) == 200
    assert ask(server, "GET", path) == 200
    until(lambda: counts()[1] >= before[1] + size)
    received, sent = (after - earlier for after, earlier in zip(counts(), before, strict=True))
    assert received == size
    assert size <= sent < size + 100


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/cut/off.bin", ARTIFACT),
        ("POST", "/v1/traces", "/v1/traces"),
        ("POST", f"{API}/runs/log-batch", f"{API}/runs/log-batch"),
    ],
)
def test_an_upload_that_the_client_breaks_off_is_no_error(
    server: TrackingServer, method: str, path: str, route: str
) -> None:
    def counts() -> tuple[float, float]:
        asked, failed = (
            server.value("aegis_http_requests_total", method=method, route=route, **labels)
            for labels in ({"status": "499"}, {"status": "500"})
        )
        return asked, failed

    before = counts()
    headers = f"Host: {HOST}\r\nX-Mlflow-Experiment-Id: 0\r\nContent-Type: application/json\r\nContent-Length: 1000"
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port)) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{headers}\r\n\r\nhalf".encode())
    until(lambda: counts() == (before[0] + 1, before[1]))
    assert [line for line in server.lines() if line["level"] == "error"] == []


def test_no_label_has_an_id(server: TrackingServer) -> None:
    run = new_run(server)
    ask(server, "GET", f"{API}/runs/get?run_id={run}")
    ask(server, "PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model.bin", content=b"x")
    ask(server, "GET", f"/{run}/{run}")
    assert not re.search("[0-9a-f]{32}", server.metrics())


def test_the_time_of_statements_and_the_use_of_connections_are_measured(server: TrackingServer) -> None:
    before = server.value("aegis_database_seconds_count", operation="insert")
    new_run(server)
    until(lambda: server.value("aegis_database_seconds_count", operation="insert") > before)
    assert server.value("aegis_database_seconds_count", operation="select") > 0
    until(lambda: server.value("aegis_database_pool_connections", state="used") == 0)
    assert server.value("aegis_database_pool_connections", state="idle") >= 1


def test_at_rest_no_request_is_in_progress(server: TrackingServer) -> None:
    ask(server, "GET", "/health")
    until(lambda: server.value("aegis_http_requests_in_progress") == 0)


def test_a_host_that_mlflow_refuses_may_read_the_measurements(server: TrackingServer) -> None:
    before = server.value("aegis_http_requests_total", status="403")
    assert server.call("GET", f"{API}/experiments/get?experiment_id=0").status_code == 403
    until(lambda: server.value("aegis_http_requests_total", status="403") == before + 1)


def test_mlflow_s_own_port_has_no_measurements(server: TrackingServer) -> None:
    assert "aegis_http" not in server.call("GET", "/metrics", headers={"host": HOST}).text


def test_every_line_of_the_log_is_an_object(server: TrackingServer) -> None:
    assert {line["level"] for line in server.lines()} <= {"debug", "info", "warning"}


def test_each_request_is_one_line_of_json(server: TrackingServer) -> None:
    run = new_run(server)
    ask(server, "GET", f"{API}/runs/get?run_id={run}")

    def lines() -> list[dict[str, object]]:
        return [line for line in server.lines("aegis.request") if line.get("run_id") == run]

    until(lambda: len(lines()) == 2)
    created, read = lines()
    assert (created["method"], created["route"], created["status"]) == ("POST", f"{API}/runs/create", 200)
    assert (read["method"], read["route"], read["status"]) == ("GET", f"{API}/runs/get", 200)
    assert isinstance(read["seconds"], float)
    assert read["seconds"] > 0


def test_at_the_level_debug_the_log_has_the_statements_without_their_values(server: TrackingServer) -> None:
    value = "a value of a tag that nobody else may read"
    run = new_run(server)
    assert ask(server, "POST", f"{API}/runs/set-tag", json={"run_id": run, "key": "k", "value": value}) == 200
    until(lambda: any("INTO tags" in line["message"] for line in server.lines("aegis.sql")))
    assert value not in server.log.read_text()


def test_no_secret_is_in_the_log(server: TrackingServer) -> None:
    sent = {"authorization": "Basic b25seTpmb3ItdGVzdHM=", "cookie": "session=of-somebody"}
    path = f"{API}/runs/get?run_id=x&X-Amz-Signature=0123456789abcdef&token=a-token"
    before = len(server.lines("aegis.request"))
    ask(server, "GET", path, headers=sent)
    until(lambda: len(server.lines("aegis.request")) > before)
    text = server.log.read_text()
    secrets = [*SECRETS.values(), "b25seTpmb3ItdGVzdHM=", "of-somebody", "0123456789abcdef", "a-token"]
    assert [secret for secret in secrets if secret in text] == []


def test_the_files_of_a_worker_that_was_killed_vanish_and_no_count_falls(server: TrackingServer) -> None:
    labels = {"route": f"{API}/experiments/search", "status": "200"}
    assert {ask(server, "GET", f"{API}/experiments/search?max_results=1") for _ in range(20)} == {200}
    before = server.value("aegis_http_requests_total", **labels)
    killed = min(server.workers())
    os.kill(killed, signal.SIGKILL)
    until(lambda: server.value("aegis_http_requests_total", **labels) >= 0 and killed not in server.workers())
    assert list(server.folder.glob(f"*_{killed}.db")) == []
    assert server.value("aegis_http_requests_total", **labels) == before
