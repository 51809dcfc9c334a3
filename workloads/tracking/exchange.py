"""A request and its answer, as measurements and logs see them."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger: Final = logging.getLogger("aegis.observers")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# What the client gets from uvicorn when an app fails, and nginx's status for a client that left before the answer.
_FAILED: Final = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_LEFT: Final = 499
# In bytes: MLflow's clients write the run's ID before long lists.
_HEAD: Final = 4096
# In a query or a form, in JSON, or as a folder of an artifact: /EXPERIMENT/RUN/artifacts/.
_NAMED: Final = re.compile(rb"run_(?:uu)?id[\"']?\s*[=:]\s*[\"']?([0-9a-f]{32})\b")
_FOLDER: Final = re.compile(rb"/([0-9a-f]{32})/artifacts(?:/|$)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """A request that has ended; `received` and `sent` are the bytes of the bodies.

    Each value comes from a fixed set or has a fixed form, so that none can be a secret. `route` is the template of the
    path, without any ID.
    """

    method: str
    route: str
    status: int
    seconds: float
    received: int
    sent: int
    client: str | None
    run_id: str | None


class Observer(Protocol):
    """Learns of each request."""

    def begin(self) -> None:
        """Note that a request has begun."""
        ...

    def end(self, exchange: Exchange) -> None:
        """Note a request that has ended."""
        ...


class Observed:
    """Tells observers of each request that the app answers; `route` finds the template of a request's path."""

    def __init__(self, app: ASGIApp, route: Callable[[Scope, str], str], *observers: Observer) -> None:
        self._app = app
        self._route = route
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Whoever handles the request may change them in the scope.
        path, client = scope["path"], scope.get("client")
        transfer = _Transfer(receive, send)
        self._tell(lambda observer: observer.begin())
        started = time.perf_counter()
        try:
            await self._app(scope, transfer.receive, transfer.send)
        except ClientDisconnect:
            # uvicorn would log it as an error of the app.
            pass
        except Exception:
            transfer.status = transfer.status or _FAILED
            raise
        finally:
            seconds = time.perf_counter() - started
            method = scope["method"]
            exchange = Exchange(
                method=method if method in _METHODS else "other",
                route=self._route(scope, path),
                status=_LEFT if transfer.left else transfer.status or _LEFT,
                seconds=seconds,
                received=transfer.received,
                sent=transfer.sent,
                client=client[0] if client else None,
                run_id=_run_id(path, scope["query_string"], transfer.head, transfer.answer_head),
            )
            self._tell(lambda observer: observer.end(exchange))

    def _tell(self, what: Callable[[Observer], None]) -> None:
        """Tell all observers, also after one that fails: it must not cost a client its answer."""
        for observer in self._observers:
            try:
                what(observer)
            except Exception:  # any error is logged
                _logger.exception("A request can't be noted.")


class _Transfer:
    """Passes ASGI messages on, and counts their bytes."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.status = 0
        # Whether the client left before the answer began, whatever the app answers afterwards.
        self.left = False
        self.received = 0
        self.sent = 0
        self.head = b""
        self.answer_head = b""

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self.status:
            self.left = True
        body = message.get("body")
        if body:
            if not self.received:
                self.head = body[:_HEAD]
            self.received += len(body)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            body = message.get("body", b"")
            if body and not self.sent:
                self.answer_head = body[:_HEAD]
            self.sent += len(body)
        await self._send(message)


def _run_id(path: str, query: bytes, head: bytes, answer: bytes) -> str | None:
    """Return the ID of the run that a request is about, if the request says it, or its answer for a new run."""
    found = _FOLDER.search(path.encode(errors="replace")) or _NAMED.search(query) or _NAMED.search(head)
    if found is None and path.endswith("/runs/create"):
        found = _NAMED.search(answer)
    return found[1].decode() if found else None
