"""A client's connection: its headers must come soon and be few, else it is closed before anything is asked."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Seconds for the headers of a request, from the connection or the first byte on.
HEADER_SECONDS: Final = 10.0
MOST_HEADER_BYTES: Final = 64 << 10

# Of a header's line: the colon, the blank and the end.
_MARKS: Final = 4
_TOO_LARGE: Final = b"The headers may have %d bytes." % MOST_HEADER_BYTES


class _HeadersTooLargeError(Exception):
    """The parser's callbacks end the request with it."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, which itself waits for ever, and keeps headers of any size."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **options)
        self._limit: asyncio.TimerHandle | None = None
        # Bytes that were read since the last end of headers or of a body, and whether they are a body.
        self._unread = 0
        self._in_body = False
        self._are_too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self._unread += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_body:
            self._unread = 0
        if self._unread > MOST_HEADER_BYTES:
            self._are_too_large = True
            self.send_400_response("")
        elif self.cycle is None or self.cycle.response_complete:
            # The rest of a body that was answered early may take its time, as long as it comes.
            if self._in_body:
                self._stop_waiting()
            self._wait()

    def on_headers_complete(self) -> None:
        """Begin a request, unless its headers are too large."""
        self._stop_waiting()
        self._in_body = True
        if len(self.url) + sum(len(name) + len(value) + _MARKS for name, value in self.headers) > MOST_HEADER_BYTES:
            self._are_too_large = True
            raise _HeadersTooLargeError
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request; what comes after it is the next one."""
        self._in_body = False
        self._unread = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the rest of a body that was answered early, or for the next request."""
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Refuse the request and close, with 431 if that is why."""
        if not self._are_too_large:
            super().send_400_response(msg)
            return
        head = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
        end = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(_TOO_LARGE)
        self.transport.write(head + end + _TOO_LARGE)
        self.transport.close()

    def _wait(self) -> None:
        if self._limit is None:
            self._limit = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
