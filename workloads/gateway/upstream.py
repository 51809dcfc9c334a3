"""One server behind the gateway: requests with a deadline, through a circuit breaker, on the shared pool.

The requests go straight to the transport. A client of httpx would keep cookies, and one that MLflow sets for a caller
must never be sent for another.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import httpx

from workloads.gateway.breaker import Breaker
from workloads.gateway.errors import UnavailableError

Headers = Sequence[tuple[str, str]]

# Seconds until a client may ask again after a request that got no answer.
RETRY_AFTER: Final = 1
_SAFE: Final = ("GET", "HEAD")
_SERVER_ERROR: Final = 500
_UNLIMITED: Final = 1 << 30
# The deadline is around the whole request; without this, httpx would wait at most 5 s for each part of it.
_NO_TIMEOUT: Final = httpx.Timeout(None).as_dict()


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    headers: httpx.Headers
    body: bytes


class Upstream:
    """The server `name` at `url`, which must not end in a slash. `alive` is the path that answers while it is well.

    A request that isn't safe is sent once: it is repeated only if no connection could be made. A safe one is repeated
    once if its connection breaks, such as a kept connection that the server closes just then.

    At most `most` requests are on their way at a time, and the others wait for their turn. Streams don't count.
    """

    def __init__(
        self,
        name: str,
        url: str,
        transport: httpx.AsyncBaseTransport,
        *,
        alive: str,
        deadline: float,
        most: int = _UNLIMITED,
    ) -> None:
        self.name = name
        self.url = url
        self._transport = transport
        self._base = httpx.URL(url)
        self._prefix = self._base.raw_path.rstrip(b"/")
        self._alive = alive
        self._deadline = deadline
        self._turns = asyncio.Semaphore(most)
        self.breaker = Breaker(name, self._answers)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = (),
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        deadline: float | None = None,
        safe: bool | None = None,
    ) -> Answer:
        """Send a request and return the answer, whatever its status. `deadline` is a time of the event loop's clock.

        Raises:
            UnavailableError: There is no answer before the deadline, or the circuit is open.
        """
        self.breaker.check()
        request = self._request(method, path, headers, params, content)
        at = deadline if deadline is not None else asyncio.get_running_loop().time() + self._deadline
        has_turn = False
        try:
            async with asyncio.timeout_at(at), self._turns:
                has_turn = True
                answer = await self._send(request, safe=method in _SAFE if safe is None else safe)
        except (TimeoutError, httpx.TransportError) as error:
            if not has_turn:
                # To wait in vain says nothing about the server's health.
                raise UnavailableError(f"{self.name} has too much to do.", retry_after=RETRY_AFTER) from error
            self.breaker.failed()
            raise self.unavailable(error) from error
        self.breaker.succeeded()
        return answer

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = (),
        params: Mapping[str, str] | None = None,
        content: AsyncIterator[bytes] | None = None,
        patience: float,
    ) -> AsyncIterator[httpx.Response]:
        """Send a request and give its answer before its body has come.

        The whole may take any time, but no longer than `patience` seconds without a byte.

        Raises:
            UnavailableError: There is no answer, or the circuit is open. Errors of the body itself are httpx's.
        """
        self.breaker.check()
        request = self._request(method, path, headers, params, content)
        request.extensions["timeout"] = httpx.Timeout(patience, connect=self._deadline, pool=self._deadline).as_dict()
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.TransportError as error:
            self.breaker.failed()
            raise self.unavailable(error) from error
        self.breaker.succeeded()
        try:
            yield response
        finally:
            await response.aclose()

    def unavailable(self, error: Exception) -> UnavailableError:
        """Return the error for a request that got no answer."""
        late = isinstance(error, TimeoutError | httpx.TimeoutException)
        reason = "does not answer in time" if late else "does not answer"
        return UnavailableError(f"{self.name} {reason}.", retry_after=RETRY_AFTER)

    async def _send(self, request: httpx.Request, *, safe: bool) -> Answer:
        try:
            return await self._send_once(request)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return await self._send_once(request)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            if not safe:
                raise
            return await self._send_once(request)

    async def _send_once(self, request: httpx.Request) -> Answer:
        async with contextlib.aclosing(await self._transport.handle_async_request(request)) as response:
            body = b"".join([chunk async for chunk in response.aiter_raw()])
        return Answer(status=response.status_code, headers=response.headers, body=body)

    def _request(
        self,
        method: str,
        path: str,
        headers: Headers,
        params: Mapping[str, str] | None,
        content: bytes | AsyncIterator[bytes] | None,
    ) -> httpx.Request:
        target = self._prefix + path.encode()
        if params:
            target += b"?" + urlencode(params).encode()
        # Beside the address, because httpx takes longer to parse a new one than for all the rest of the request.
        extensions = {"target": target, "timeout": _NO_TIMEOUT}
        # As the bytes that a caller sent: a header may have any above 0x7f, which httpx would refuse as text.
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        return httpx.Request(method, self._base, headers=encoded, content=content, extensions=extensions)

    async def _answers(self) -> bool:
        """Return whether the server is well again; a probe of the circuit breaker."""
        try:
            async with asyncio.timeout(self._deadline):
                answer = await self._send_once(self._request("GET", self._alive, (), None, None))
        except (TimeoutError, httpx.TransportError):
            return False
        return answer.status < _SERVER_ERROR


class UpstreamPool:
    """The services of models, each with its own circuit breaker, as long as they are in use."""

    def __init__(self, transport: httpx.AsyncBaseTransport, *, deadline: float) -> None:
        self._transport = transport
        self._deadline = deadline
        self._known: dict[str, Upstream] = {}

    def of(self, name: str, url: str) -> Upstream:
        """Return the server at `url`."""
        if url not in self._known:
            self._known[url] = Upstream(name, url, self._transport, alive="/health", deadline=self._deadline)
        return self._known[url]

    async def aclose(self) -> None:
        """Stop the probes of the circuit breakers."""
        for each in self._known.values():
            await each.breaker.aclose()
