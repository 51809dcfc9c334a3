"""The routes of the server: MLflow's scoring protocol, the Open Inference Protocol v2, metrics, and what it saw."""

import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from mlflow.exceptions import MlflowException
from mlflow.version import VERSION
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workloads import messages
from workloads.serving.server.errors import RequestError, reason_of, status_of
from workloads.serving.server.limits import Limits
from workloads.serving.server.served import Served
from workloads.serving.server.workers import Workers
from workloads.serving.wanted import VERSION_HEADER

_INVOCATIONS: Final = "/invocations"
_MODEL: Final = "/v2/models/{name}"
_VERSION: Final = "/v2/models/{name}/versions/{version}"

_log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(kw_only=True, slots=True)
class State:
    """Whether the server is told to stop: it answers, but isn't ready for more."""

    stopping: bool = False


def create_app(served: Served, limits: Limits, state: State) -> Starlette:
    """Return the app that serves a loaded model."""
    server = _Server(served, limits, state)
    routes = [
        server.route(path, endpoint, method)
        for method, paths, endpoint in (
            ("GET", ("/ping", "/health"), server.ping),
            ("GET", ("/version",), server.version),
            ("POST", (_INVOCATIONS,), server.invocations),
            ("GET", ("/v2",), server.about),
            ("GET", ("/v2/health/live",), server.live),
            ("GET", ("/v2/health/ready",), server.ready),
            ("GET", (_MODEL, _VERSION), server.metadata),
            ("GET", (f"{_MODEL}/ready", f"{_VERSION}/ready"), server.model_ready),
            ("POST", (f"{_MODEL}/infer", f"{_VERSION}/infer"), server.infer),
            ("GET", ("/metrics",), server.metrics),
            ("GET", ("/watch",), server.watch),
        )
        for path in paths
    ]
    return Starlette(routes=routes, lifespan=server.lifespan, exception_handlers={HTTPException: server.no_route})


class _Server:
    def __init__(self, served: Served, limits: Limits, state: State) -> None:
        self._served = served
        self._metrics = served.model.metrics
        self._workers = Workers(limits)
        self._state = state
        # A laptop may serve a version of any name, and a header has none but ASCII characters.
        self._version = quote(served.version)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        self._workers.close()

    def route(self, path: str, endpoint: Endpoint, method: str) -> Route:
        """Return a route whose every answer is counted, and whose errors are answers."""

        async def answer(request: Request) -> Response:
            with self._metrics.timed(path):
                response = await self._attempt(endpoint, request)
            self._metrics.answered(path, response.status_code)
            response.headers[VERSION_HEADER] = self._version
            if self._state.stopping:
                # A client with a pool of connections goes to another pod, before this one closes them.
                response.headers["connection"] = "close"
            return response

        return Route(path, answer, methods=[method])

    async def ping(self, _: Request) -> Response:
        return _json_text("\n")

    async def version(self, _: Request) -> Response:
        return _json_text(VERSION)

    async def invocations(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "")
        answer = await self._workers.answer(request, lambda body: self._served.invoke(body, content_type))
        return Response(answer.response, answer.status, media_type=answer.mimetype)

    async def about(self, _: Request) -> Response:
        return JSONResponse({"name": "aegis", "version": VERSION, "extensions": []})

    async def live(self, _: Request) -> Response:
        return _health({}, "live", self._workers.is_alive)

    async def ready(self, _: Request) -> Response:
        return _health({}, "ready", self._is_ready)

    async def model_ready(self, request: Request) -> Response:
        self._require_model(request)
        return _health({"name": self._served.name}, "ready", self._is_ready)

    async def metadata(self, request: Request) -> Response:
        self._require_model(request)
        return JSONResponse(self._served.metadata())

    async def infer(self, request: Request) -> Response:
        self._require_model(request)
        return _json_text(await self._workers.answer(request, self._served.infer))

    async def metrics(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def watch(self, _: Request) -> Response:
        return JSONResponse(self._served.model.watcher.summary())

    async def no_route(self, _: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
        self._metrics.answered("none", status)
        headers = error.headers if isinstance(error, HTTPException) else None
        return JSONResponse({"error": f"{HTTPStatus(status).phrase}."}, status, headers)

    async def _attempt(self, endpoint: Endpoint, request: Request) -> Response:
        try:
            return await endpoint(request)
        except RequestError as error:
            return JSONResponse({"error": str(error)}, error.status)
        except MlflowException as error:
            return JSONResponse(_fields(error, request), status_of(error))
        except Exception:  # noqa: BLE001 - the answer has no stack trace, the log has it
            _log.exception("%s can't be answered.", request.url.path)
            return JSONResponse({"error": "The server failed."}, HTTPStatus.INTERNAL_SERVER_ERROR)

    @property
    def _is_ready(self) -> bool:
        return not self._state.stopping and self._workers.is_ready

    def _require_model(self, request: Request) -> None:
        name, version = request.path_params["name"], request.path_params.get("version", self._served.version)
        if (name, version) != (self._served.name, self._served.version):
            raise RequestError(
                f"{name} version {version} isn't served here, only {self._served.name} version {self._served.version}.",
                HTTPStatus.NOT_FOUND,
            )


def _fields(error: MlflowException, request: Request) -> dict[str, str]:
    """Return the fields of MLflow's own answer for its scoring protocol, else those of the Open Inference Protocol."""
    if request.url.path != _INVOCATIONS:
        return {"error": reason_of(error)}
    return {"error_code": error.error_code, "message": messages.plain(error.message)}


def _health(content: dict[str, Any], name: str, good: bool) -> Response:
    return JSONResponse({**content, name: good}, HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE)


def _json_text(text: str | bytes) -> Response:
    return Response(text, media_type="application/json")
