"""Multipart bodies (RFC 7578) as a stream: a part's content is handed on as it comes, and never kept."""

from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from workloads.gateway.errors import TooLargeError, UnprocessableError

# In bytes: the headers of a part, and the content of a field that isn't a file.
_LONGEST_TEXT: Final = 8192
# In bytes, of the parser; RFC 2046 allows 70.
_LONGEST_BOUNDARY: Final = 256


@dataclass(kw_only=True, slots=True)
class Part:
    """A part: its form name, its file name if it is a file, its headers in lower case, and its content, read once."""

    name: str
    filename: str | None
    headers: Mapping[str, str]
    content: AsyncIterator[bytes]

    async def text(self) -> str:
        """Return the content of a short field.

        Raises:
            TooLargeError: It is longer than 8 KiB.
            UnprocessableError: It isn't UTF-8.
        """
        content = b""
        async for chunk in self.content:
            content += chunk
            if len(content) > _LONGEST_TEXT:
                raise TooLargeError(f"The field {self.name!r} may have {_LONGEST_TEXT} bytes.")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise UnprocessableError(f"The field {self.name!r} must be UTF-8.") from error


def boundary_of(content_type: str) -> bytes:
    """Return the boundary of a multipart body.

    Raises:
        UnprocessableError: There is none, or it is too long.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise UnprocessableError(
            f"A multipart body needs a boundary of 1 to {_LONGEST_BOUNDARY} bytes in its Content-Type."
        )
    return boundary


@dataclass(kw_only=True, slots=True)
class _Events:
    """What the parser found and nobody has read yet. None is the end of a part, a dictionary the beginning of one."""

    found: deque[Mapping[str, str] | bytes | None] = field(default_factory=deque)
    headers: dict[str, str] = field(default_factory=dict)
    name: bytes = b""
    value: bytes = b""

    def add_name(self, data: bytes, start: int, end: int) -> None:
        self.name += data[start:end]
        self._limit()

    def add_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]
        self._limit()

    def _limit(self) -> None:
        if len(self.name) + len(self.value) > _LONGEST_TEXT:
            raise TooLargeError(f"A header of a part may have {_LONGEST_TEXT} bytes.")

    def end_header(self) -> None:
        self.headers[self.name.decode("latin-1").lower()] = self.value.decode(errors="replace")
        self.name = self.value = b""

    def end_headers(self) -> None:
        self.found.append(self.headers)
        self.headers = {}

    def add_data(self, data: bytes, start: int, end: int) -> None:
        self.found.append(data[start:end])

    def end_part(self) -> None:
        self.found.append(None)


class MultipartBody:
    """The parts of a body whose chunks come from `chunks`."""

    def __init__(self, chunks: AsyncIterator[bytes], boundary: bytes) -> None:
        self._chunks = chunks
        self._events = _Events()
        events = self._events
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": events.add_name,
                "on_header_value": events.add_value,
                "on_header_end": events.end_header,
                "on_headers_finished": events.end_headers,
                "on_part_data": events.add_data,
                "on_part_end": events.end_part,
            },
        )

    async def parts(self) -> AsyncIterator[Part]:
        """Yield the parts in turn. What wasn't read of one is skipped.

        Raises:
            UnprocessableError: The body isn't multipart, or ends too early.
        """
        while (event := await self._next()) is not _END:
            if isinstance(event, Mapping):
                content = self._content()
                name, filename = _names(event.get("content-disposition", ""))
                yield Part(name=name, filename=filename, headers=event, content=content)
                async for _ in content:
                    pass

    async def _content(self) -> AsyncIterator[bytes]:
        while (event := await self._next()) is not None:
            if event is _END:
                raise UnprocessableError("The multipart body ends in the middle of a part.")
            if isinstance(event, bytes):
                yield event

    async def _next(self) -> Mapping[str, str] | bytes | None:
        while not self._events.found:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return _END
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise UnprocessableError("The body isn't multipart as its Content-Type says.") from error
        return self._events.found.popleft()


# Marks the end of the body among the events.
_END: Final[Mapping[str, str]] = {"": ""}


def _names(disposition: str) -> tuple[str, str | None]:
    options = parse_options_header(disposition.encode())[1]
    filename = options.get(b"filename")
    name = options.get(b"name", b"").decode(errors="replace")
    return name, None if filename is None else filename.decode(errors="replace")
