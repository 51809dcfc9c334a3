"""Corrected statuses for MLflow's error answers, so that clients retry transient failures only."""

import re
from contextvars import ContextVar
from http import HTTPStatus
from typing import Final

from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.exc import OperationalError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workloads.tracking.answer import Answer, Gathering

# Seconds. An MLflow client retries 7 more times, for over a minute in all: long enough for a restart of the database.
RETRY_AFTER: Final = 10

_RETRY_HEADER: Final = (b"retry-after", str(RETRY_AFTER).encode())
_UNAVAILABLE: Final = Answer.error(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "TEMPORARILY_UNAVAILABLE",
    f"The database does not answer. Try again in {RETRY_AFTER} seconds.",
    _RETRY_HEADER,
)

# The routes that serve a file (mlflow.server and its handlers).
_FILES: Final = re.compile(
    r"/(ajax-)?api/2\.0/(mlflow-artifacts/artifacts/.*|mlflow/logged-models/[^/]+/artifacts/files)"
    r"|/(model-versions/)?get-artifact",
    re.DOTALL,
)
# boto3's message for an object that doesn't exist, and MLflow's heading for each file that it could not fetch.
_NOT_FOUND: Final = b"An error occurred (404) when calling the HeadObject operation"
_HEADING: Final = b"##### File "
_NO_SUCH_FILE: Final = Answer.error(
    HTTPStatus.NOT_FOUND,
    "RESOURCE_DOES_NOT_EXIST",
    "There is no such file among the artifacts: it was never uploaded, or it was deleted.",
)


class _Request:
    """Whether the database failed during a request; all threads that handle the request share the object."""

    database_failed = False


_request: ContextVar[_Request | None] = ContextVar("request", default=None)


class Availability:
    """Answers 503 with Retry-After when the database failed, so that clients retry and no data is lost.

    MLflow itself answers some of these failures with 400 or 500: inside it, the failure can turn into another error.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        if not event.contains(Engine, "handle_error", _note):
            event.listen(Engine, "handle_error", _note)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request()
        token = _request.set(request)
        try:
            await self._app(scope, receive, _Sender(request, send))
        finally:
            _request.reset(token)


class _Sender:
    def __init__(self, request: _Request, send: Send) -> None:
        self._request = request
        self._send = send
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] != "http.response.start" or message["status"] < HTTPStatus.BAD_REQUEST:
            await self._send(message)
        elif message["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
            await self._send({**message, "headers": [*message["headers"], _RETRY_HEADER]})
        elif self._request.database_failed:
            self._replaced = True
            await _UNAVAILABLE.send(self._send)
        else:
            await self._send(message)


def _note(context: ExceptionContext) -> None:
    request = _request.get()
    # After a ping that finds a stale connection, SQLAlchemy opens a new one.
    if request is not None and not context.is_pre_ping and _is_transient(context):
        request.database_failed = True


def _is_transient(context: ExceptionContext) -> bool:
    return context.is_disconnect or isinstance(context.sqlalchemy_exception, OperationalError)


class MissingFiles:
    """Answers 404 when the object store doesn't have the requested file.

    MLflow answers 500, which its clients retry for four minutes and then report without a reason.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "http" and scope["method"] == "GET" and _FILES.fullmatch(scope["path"]):
            send = Gathering(send, HTTPStatus.INTERNAL_SERVER_ERROR, _corrected)
        await self._app(scope, receive, send)


def _corrected(failure: Answer) -> Answer:
    only_missing = _NOT_FOUND in failure.body and failure.body.count(_HEADING) == 1
    return _NO_SUCH_FILE if only_missing else failure
