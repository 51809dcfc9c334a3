"""HTTP/1.1 for httpx on httptools, the parser that uvicorn uses, and asyncio's streams.

httpx's own transport parses in Python, which takes 1 ms of CPU for a small answer: more than everything else that the
gateway does with a request. This one takes a quarter of that. It has no proxies, no HTTP/2 and no HEAD. Like httpx's
own, it takes the extension `target` of a request in place of its address's path and query.
"""

import asyncio
import contextlib
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

import httptools
import httpx

T = TypeVar("T")

# Bytes that are read at once.
_CHUNK: Final = 1 << 16
_FIRST_FINAL_STATUS: Final = 200
_Origin = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Timeouts:
    """Seconds for each part of a request, from httpx's extension; None is no limit."""

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None


class _Parsing:
    """What httptools finds in an answer. It calls the methods by their names."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: deque[bytes] = deque()
        self.has_head = False
        self.is_complete = False
        self.keeps_alive = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.has_head = self.parser.get_status_code() >= _FIRST_FINAL_STATUS

    def on_body(self, body: bytes) -> None:
        self.chunks.append(body)

    def on_message_complete(self) -> None:
        if self.has_head:
            self.is_complete = True
            self.keeps_alive = self.parser.should_keep_alive()
        else:
            self.headers = []

    @property
    def ends_with_connection(self) -> bool:
        """Whether the answer has no length, and so ends where the connection does (RFC 9112, section 6.3)."""
        names = {name.lower() for name, _ in self.headers}
        return self.has_head and not names & {b"content-length", b"transfer-encoding"}


class _Connection:
    """An open connection, used by one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.idle_since = 0.0

    def is_usable(self, oldest: float) -> bool:
        """Return whether the server has left the connection open, and it was used after `oldest`."""
        return self.idle_since > oldest and not self._reader.at_eof() and not self._writer.is_closing()

    async def send(self, request: httpx.Request, timeouts: _Timeouts) -> None:
        head = _head(request)
        if isinstance(request.stream, httpx.ByteStream):
            self._writer.write(head + b"".join(request.stream))
            await _within(timeouts.write, self._writer.drain(), httpx.WriteTimeout)
            return
        self._writer.write(head)
        assert isinstance(request.stream, httpx.AsyncByteStream)  # noqa: S101 - of an async client
        async for chunk in request.stream:
            self._writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await _within(timeouts.write, self._writer.drain(), httpx.WriteTimeout)
        self._writer.write(b"0\r\n\r\n")

    async def read(self, parsing: _Parsing, timeouts: _Timeouts) -> None:
        """Read and parse the next part of an answer."""
        data = await _within(timeouts.read, self._reader.read(_CHUNK), httpx.ReadTimeout)
        if data:
            parsing.parser.feed_data(data)
        elif parsing.ends_with_connection:
            parsing.is_complete = True
        else:
            raise httpx.RemoteProtocolError("The server closed the connection in the middle of an answer.")

    def close(self) -> None:
        self._writer.close()


class Transport(httpx.AsyncBaseTransport):
    """At most `connections` requests at a time. A connection is kept for `kept` seconds after a request."""

    def __init__(self, *, connections: int, kept: float) -> None:
        self._free = asyncio.Semaphore(connections)
        self._kept = kept
        self._idle: dict[_Origin, deque[_Connection]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer, whose stream must be closed.

        Raises:
            TransportError: As httpx's own transport.
        """
        timeouts = _Timeouts(**request.extensions.get("timeout", {}))
        origin = _origin(request.url)
        await _within(timeouts.pool, self._free.acquire(), httpx.PoolTimeout)
        connection = None
        try:
            connection = self._unused(origin) or await self._open(origin, timeouts)
            parsing = _Parsing()
            with _errors():
                await connection.send(request, timeouts)
                while not parsing.has_head:
                    await connection.read(parsing, timeouts)
        except BaseException:
            if connection is not None:
                connection.close()
            self._free.release()
            raise
        stream = _Body(self, origin, connection, parsing, timeouts)
        return httpx.Response(parsing.parser.get_status_code(), headers=parsing.headers, stream=stream)

    def give_back(self, origin: _Origin, connection: _Connection, *, usable: bool) -> None:
        """Take a connection back after an answer."""
        self._free.release()
        if not usable:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        idle = self._idle.setdefault(origin, deque())
        idle.append(connection)
        while not idle[0].is_usable(connection.idle_since - self._kept):
            idle.popleft().close()

    async def aclose(self) -> None:
        """Close the connections that no request uses."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

    def _unused(self, origin: _Origin) -> _Connection | None:
        oldest = time.monotonic() - self._kept
        idle = self._idle.get(origin)
        while idle:
            # The youngest first, so that the others can grow old and be closed.
            connection = idle.pop()
            if connection.is_usable(oldest):
                return connection
            connection.close()
        return None

    async def _open(self, origin: _Origin, timeouts: _Timeouts) -> _Connection:
        scheme, host, port = origin
        context = self._tls if scheme == "https" else None
        try:
            opening = asyncio.open_connection(host, port, ssl=context, limit=2 * _CHUNK)
            return _Connection(*await _within(timeouts.connect, opening, httpx.ConnectTimeout))
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


class _Body(httpx.AsyncByteStream):
    """The body of an answer. Its end, or its `aclose`, gives the connection back."""

    def __init__(
        self, transport: Transport, origin: _Origin, connection: _Connection, parsing: _Parsing, timeouts: _Timeouts
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._connection: _Connection | None = connection
        self._parsing = parsing
        self._timeouts = timeouts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parsing = self._parsing
        while True:
            while parsing.chunks:
                yield parsing.chunks.popleft()
            if parsing.is_complete or self._connection is None:
                return
            with _errors():
                await self._connection.read(parsing, self._timeouts)

    async def aclose(self) -> None:
        if self._connection is not None:
            usable = self._parsing.is_complete and self._parsing.keeps_alive
            self._transport.give_back(self._origin, self._connection, usable=usable)
            self._connection = None


@contextlib.contextmanager
def _errors():  # noqa: ANN202 - a generator that yields nothing
    """Turn errors of the connection into httpx's."""
    try:
        yield
    except httptools.HttpParserError as error:
        raise httpx.RemoteProtocolError(f"The answer is not HTTP: {error}") from error
    except OSError as error:
        raise httpx.ReadError(str(error)) from error


async def _within(seconds: float | None, awaitable: Awaitable[T], error: type[httpx.TimeoutException]) -> T:
    if seconds is None:
        return await awaitable
    try:
        async with asyncio.timeout(seconds):
            return await awaitable
    except TimeoutError as late:
        raise error(f"No progress for {seconds} s.") from late


def _origin(url: httpx.URL) -> _Origin:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _head(request: httpx.Request) -> bytes:
    target = request.extensions.get("target", request.url.raw_path)
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), target)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n"
