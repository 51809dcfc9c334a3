"""The platform's wrappers around MLflow's server: error statuses, the probe, draining and presigned addresses."""

import asyncio
import configparser
import json
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from mlflow.exceptions import _UnsupportedMultipartUploadException
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from contracts import READY_PATH, TRACKING_APP, Env
from workloads.tracking import lifecycle
from workloads.tracking.failures import Availability, MissingFiles
from workloads.tracking.lifecycle import Draining, Readiness
from workloads.tracking.transfers import Transfers

ENTRY_POINTS = Path(__file__).parents[3] / "workloads" / "images" / "code" / "aegis.dist-info" / "entry_points.txt"
# Nothing listens on this port.
ABSENT = create_engine("postgresql+psycopg://mlflow@127.0.0.1:1/mlflow?connect_timeout=1")
OFFERS = {"store_type": "SqlStore", "multipart_uploads_enabled": True, "multipart_downloads_enabled": True}


def fail(status: int) -> JSONResponse:
    """Query a database that fails, and answer as MLflow may: with a status that hides the reason."""
    try:
        with ABSENT.connect():
            pass
    except SQLAlchemyError as error:
        return JSONResponse({"error_code": "BAD_REQUEST", "message": str(error)[:40]}, status)
    raise AssertionError("the database answered")


async def failing(request: Request) -> JSONResponse:
    return await run_in_threadpool(fail, int(request.path_params["status"]))


async def wrong(_request: Request) -> JSONResponse:
    return JSONResponse({"error_code": "INVALID_PARAMETER_VALUE"}, 400)


async def info(_request: Request) -> JSONResponse:
    return JSONResponse(OFFERS)


async def nothing(_request: Request) -> Response:
    return Response()


async def artifact(request: Request) -> JSONResponse:
    """Answer as MLflow does when S3 fails to return files; the path names S3's status for each file."""
    files = [
        f"##### File 1/{status}.bin #####\nAn error occurred ({status}) when calling the HeadObject operation: No"
        for status in request.path_params["statuses"].split("-")
    ]
    return JSONResponse({"error_code": "INTERNAL_ERROR", "message": "\n".join(["Failures:", *files])}, 500)


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.url.path)


MLFLOW = Starlette(
    routes=[
        Route("/failing/{status}", failing),
        Route("/wrong", wrong),
        Route("/api/3.0/mlflow/server-info", nothing, methods=["HEAD", "OPTIONS"]),
        Route("/api/3.0/mlflow/server-info", info),
        Route("/ajax-api/3.0/mlflow/server-info", info),
        Route("/api/2.0/mlflow-artifacts/artifacts/s3/{statuses}", artifact, methods=["GET", "PUT"]),
        Route("/{path:path}", echo, methods=["GET", "POST"]),
    ]
)


@dataclass(kw_only=True)
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


async def request(app: ASGIApp, path: str, method: str = "GET") -> Answer:
    """Send one request to an app, as its server would."""
    answer = Answer()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", "root_path": ""}
    await app({**scope, "http_version": "1.1", "scheme": "http", "server": ("localhost", 5000)}, receive, send)
    assert int(answer.headers["content-length"]) == len(answer.body)
    return answer


def ask(app: ASGIApp, path: str, method: str = "GET") -> Answer:
    return asyncio.run(request(app, path, method))


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_request_that_fails_in_the_database_is_answered_503_with_retry_after(status: int) -> None:
    answer = ask(Availability(MLFLOW), f"/failing/{status}")
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    if status != 503:
        assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"


def test_other_answers_are_passed_on() -> None:
    assert ask(Availability(MLFLOW), "/wrong").status == 400
    assert ask(Availability(MLFLOW), "/runs").text == "/runs"


@pytest.mark.parametrize("path", ["/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"])
def test_presigned_addresses_are_offered_only_where_the_stack_allows_them(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn = {"store_type": "SqlStore", "multipart_uploads_enabled": False, "multipart_downloads_enabled": False}
    assert ask(Transfers(MLFLOW), path).json() == withdrawn
    monkeypatch.setenv(Env.DIRECT_TRANSFERS, "true")
    assert ask(Transfers(MLFLOW), path).json() == OFFERS


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow-artifacts/mpu/create/1/model.bin",
        "/api/2.0/mlflow-artifacts/presigned/1/model.bin",
        "/ajax-api/2.0/mlflow-artifacts/presigned/1/model.bin",
        "/api/2.0/mlflow/artifacts/presigned-upload-url",
        "/api/2.0/mlflow/artifacts/presigned-download-url",
    ],
)
def test_a_request_for_a_presigned_address_is_refused_with_the_reason(path: str) -> None:
    answer = ask(Transfers(MLFLOW), path, "POST")
    assert answer.status == 501
    assert "mlflow.directTransfers" in answer.json()["message"]
    # A client that an environment variable tells to upload in parts recognises the refusal by this.
    assert answer.json()["message"].startswith(_UnsupportedMultipartUploadException.MESSAGE)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_requests_for_server_info_without_a_body_are_passed_on(method: str) -> None:
    answer = ask(Transfers(MLFLOW), "/api/3.0/mlflow/server-info", method)
    assert answer.status == 200
    assert answer.body == b""


@pytest.mark.parametrize("file", ["mpu/presigned/model.bin", "mlflow-artifacts/mpu/model.bin", "mlflow/server-info"])
def test_file_names_that_look_like_other_routes_are_passed_on(file: str) -> None:
    path = f"/api/2.0/mlflow-artifacts/artifacts/1/{file}"
    assert ask(MissingFiles(Transfers(MLFLOW)), path).text == path


def test_a_missing_file_is_answered_404() -> None:
    answer = ask(MissingFiles(MLFLOW), "/api/2.0/mlflow-artifacts/artifacts/s3/404")
    assert answer.status == 404
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize(("statuses", "method"), [("503", "GET"), ("404-503", "GET"), ("404", "PUT")])
def test_other_failures_of_the_store_stay_500(statuses: str, method: str) -> None:
    path = f"/api/2.0/mlflow-artifacts/artifacts/s3/{statuses}"
    answer = ask(MissingFiles(MLFLOW), path, method)
    assert (answer.status, answer.text) == (500, ask(MLFLOW, path, method).text)


def test_a_draining_pod_closes_its_connections(tmp_path: Path) -> None:
    file = tmp_path / "draining"
    app = Draining(MLFLOW, file)
    assert "connection" not in ask(app, "/runs").headers
    file.touch()
    assert ask(app, "/runs").headers["connection"] == "close"


def test_a_server_is_ready_once_it_has_found_its_database(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[int] = []

    def open_stores() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionError("no database yet")

    monkeypatch.setattr(lifecycle, "open_stores", open_stores)
    monkeypatch.setattr(lifecycle, "_INTERVAL", 0.01)

    async def watch() -> tuple[int, int]:
        app = Readiness(MLFLOW)
        before = (await request(app, READY_PATH)).status
        await app.open()
        return before, (await request(app, READY_PATH)).status

    assert asyncio.run(watch()) == (503, 200)
    assert len(attempts) == 3


def test_the_image_s_entry_point_is_a_factory_of_the_app() -> None:
    points = configparser.ConfigParser()
    points.read(ENTRY_POINTS)
    module, _, name = points["mlflow.app"][TRACKING_APP].partition(":")
    # MLflow calls a function in each worker, and takes anything else for the app itself.
    assert isinstance(getattr(import_module(module), name), FunctionType)
