"""What every request passes first: limits, the state of the process, and measurements. One plain ASGI wrapper."""

import asyncio
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workloads.gateway.api.observation import Observation
from workloads.gateway.api.problems import problem_of
from workloads.gateway.api.request import PREFIX
from workloads.gateway.errors import (
    ForbiddenError,
    GatewayError,
    InvalidError,
    TooLargeError,
    TooSlowError,
    UnavailableError,
)
from workloads.gateway.settings import Settings

_CLOSE: Final = (b"connection", b"close")
# After these, what is left of the body isn't waited for.
_CLOSING: Final = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT)
_READING: Final = ("GET", "HEAD", "OPTIONS")
# Characters of a header that an answer shows.
_SHOWN: Final = 80


@dataclass(kw_only=True, slots=True)
class State:
    """Whether the process is stopping, and how many requests it handles."""

    draining: bool = False
    in_flight: int = 0


class Boundary:
    """Refuses requests that are too many, too large, too slow, or from another site's page, and counts all others."""

    def __init__(self, app: ASGIApp, *, settings: Settings, state: State, observation: Observation) -> None:
        self._app = app
        self._settings = settings
        self._state = state
        self._observation = observation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit, patience = self._limit(scope["path"]), self._patience(scope["path"])
        exchange = _Exchange(receive, send, limit, patience, closing=self._state.draining)
        started = time.perf_counter()
        self._state.in_flight += 1
        try:
            if refusal := self._refusal(scope):
                await problem_of(refusal)(scope, exchange.receive, exchange.answer)
            else:
                await self._handle(scope, exchange)
        finally:
            self._state.in_flight -= 1
            self._observation.note(scope, exchange.status, time.perf_counter() - started)

    async def _handle(self, scope: Scope, exchange: "_Exchange") -> None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            if exchange.fault is None or exchange.status:
                raise
        if exchange.fault is not None and not exchange.status:
            await problem_of(exchange.fault)(scope, exchange.receive, exchange.answer)

    def _refusal(self, scope: Scope) -> GatewayError | None:
        headers = Headers(scope=scope)
        if self._state.in_flight > self._settings.max_in_flight and scope["path"] not in ("/livez", "/metrics"):
            return UnavailableError("The gateway has too many requests at the same time.", retry_after=1)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > (limit := self._limit(scope["path"])):
            return TooLargeError(f"The body may have {limit} bytes.")
        return self._refusal_of_site(scope, headers)

    def _refusal_of_site(self, scope: Scope, headers: Headers) -> GatewayError | None:
        if len(headers.getlist("host")) > 1:
            return InvalidError("The request has more than one header Host.")
        host, origin = headers.get("host", ""), headers.get("origin")
        hosts = self._settings.allowed_hosts
        if hosts and not any(fnmatchcase(host, each) for each in hosts):
            return ForbiddenError(f"Invalid Host header: the gateway doesn't answer as {host[:_SHOWN]!r}.")
        # A browser adds the user's cookies, whatever page sends the request.
        if origin and scope["method"] not in _READING and not self._is_own(origin, host, scope, headers):
            return ForbiddenError("A page of another site may not change anything.")
        return None

    def _is_own(self, origin: str, host: str, scope: Scope, headers: Headers) -> bool:
        # The header may be anything, and `urlsplit` refuses some texts. Only what ends TLS knows the scheme.
        forwarded = headers.get("x-forwarded-proto", "").partition(",")[0].strip()
        scheme = "https" if scope["scheme"] == "https" else forwarded
        own = [f"{each}://{host}" for each in ((scheme,) if scheme else ("http", "https"))]
        return origin in own or origin in self._settings.allowed_origins

    def _limit(self, path: str) -> int:
        if path.endswith("/log-artifacts"):
            return self._settings.max_artifact_bytes
        if path.endswith("/predict"):
            return self._settings.max_predict_bytes
        return self._settings.max_body_bytes

    def _patience(self, path: str) -> "_Patience":
        if path.endswith("/log-artifacts"):
            return _Patience(seconds=self._settings.artifact_seconds, for_all=False)
        if path.endswith("/predict") and path.startswith(f"{PREFIX}/"):
            return _Patience(seconds=self._settings.predict_seconds, for_all=True)
        return _Patience(seconds=self._settings.body_seconds, for_all=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Patience:
    """How long a body may take, in all or for each of its parts."""

    seconds: float
    for_all: bool


class _Exchange:
    """A request and its answer, with the body counted and the status kept. `fault` is what is wrong with the body."""

    def __init__(self, receive: Receive, send: Send, limit: int, patience: _Patience, *, closing: bool) -> None:
        self._receive = receive
        self._send = send
        self._left = limit
        self._limit = limit
        self._patience = patience
        self._end: float | None = None
        self._has_more = True
        self._closing = closing
        self.status = 0
        self.fault: GatewayError | None = None

    async def receive(self) -> Message:
        """Return the next part of the request.

        Raises:
            TooLargeError: The body is larger than allowed, and had no Content-Length.
            TooSlowError: The body doesn't come.
        """
        message = await (self._part() if self._has_more else self._receive())
        if message["type"] == "http.request":
            self._has_more = message.get("more_body", False)
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise self._wrong(TooLargeError(f"The body may have {self._limit} bytes."))
        return message

    async def _part(self) -> Message:
        # Until now it may have waited for the gateway, such as for the first import of the page.
        if self._end is None or not self._patience.for_all:
            self._end = asyncio.get_running_loop().time() + self._patience.seconds
        try:
            async with asyncio.timeout_at(self._end):
                return await self._receive()
        except TimeoutError as error:
            unit = "in all" if self._patience.for_all else "without a byte"
            raise self._wrong(TooSlowError(f"A body may take {self._patience.seconds:g} s {unit}.")) from error

    def _wrong(self, fault: GatewayError) -> GatewayError:
        self.fault = fault
        return fault

    async def send(self, message: Message) -> None:
        """Send a part of the app's answer, unless it is FastAPI's to a body that was cut off: it calls that invalid."""
        if self.fault is None or self.status:
            await self.answer(message)

    async def answer(self, message: Message) -> None:
        """Send a part of an answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._closing or self.status in _CLOSING:
                message = {**message, "headers": [*message["headers"], _CLOSE]}
        await self._send(message)
