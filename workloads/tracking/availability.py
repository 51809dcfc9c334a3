"""A database that is away, or too busy, is a 503 with Retry-After: clients try again, and nothing is lost.

MLflow itself answers some of these failures with a 400 or a 500, as what went wrong inside of a request can surface as
another error on its way out.
"""

import json
from contextvars import ContextVar
from typing import Final

from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.exc import OperationalError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Seconds. An MLflow client tries 7 times more: for over a minute, which a restart of the database fits into.
RETRY_AFTER: Final = 10

_ERROR: Final = 400
_UNAVAILABLE: Final = 503


class _Request:
    """Whether the database failed a request; the threads that answer it share the object."""

    database_failed = False


_request: ContextVar[_Request | None] = ContextVar("request", default=None)


class Availability:
    """Turns an error answer to a request that the database failed into "try again in 10 seconds"."""

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
        if message["type"] != "http.response.start" or message["status"] < _ERROR:
            await self._send(message)
        elif message["status"] == _UNAVAILABLE:
            await self._send({**message, "headers": [*message["headers"], _RETRY_HEADER]})
        elif self._request.database_failed:
            self._replaced = True
            await self._send({"type": "http.response.start", "status": _UNAVAILABLE, "headers": _HEADERS})
            await self._send({"type": "http.response.body", "body": _BODY})
        else:
            await self._send(message)


_RETRY_HEADER: Final = (b"retry-after", str(RETRY_AFTER).encode())
_BODY: Final = json.dumps(
    {
        "error_code": "TEMPORARILY_UNAVAILABLE",
        "message": f"The database does not answer. Try again in {RETRY_AFTER} seconds.",
    }
).encode()
_HEADERS: Final = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_BODY)).encode()),
    _RETRY_HEADER,
]


def _note(context: ExceptionContext) -> None:
    request = _request.get()
    # A ping that finds a stale connection is followed by a new one.
    if request is not None and not context.is_pre_ping and _is_passing(context):
        request.database_failed = True


def _is_passing(context: ExceptionContext) -> bool:
    return context.is_disconnect or isinstance(context.sqlalchemy_exception, OperationalError)
