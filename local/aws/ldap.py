"""A minimal LDAP server through which a PostgreSQL server verifies passwords. It supports only the simple bind.

PostgreSQL supports LDAP out of the box and sends passwords of any length. PAM would truncate IAM tokens, as pam_exec
passes only 512 bytes to a program. https://www.rfc-editor.org/rfc/rfc4511#section-4.2
"""

import socketserver
from collections.abc import Callable
from io import BufferedIOBase

# BER tags (X.690) that occur in a bind.
_INTEGER, _OCTETS, _ENUMERATED, _SEQUENCE = 0x02, 0x04, 0x0A, 0x30
_BIND_REQUEST, _BIND_RESPONSE, _SIMPLE = 0x60, 0x61, 0x80
_SUCCESS, _INVALID_CREDENTIALS = 0, 49
# More than any login needs: PostgreSQL accepts passwords of at most 64 KiB.
_LONGEST = 1 << 17

# pg_hba.conf makes PostgreSQL prepend this, because a bind needs a distinguished name.
NAME_PREFIX = "cn="

Check = Callable[[str, str], bool]


class MalformedError(Exception):
    """A message that isn't a simple bind."""


class Server(socketserver.ThreadingTCPServer):
    """A server that answers binds with the result of `check` for the name and the password."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], check: Check) -> None:
        super().__init__(address, _Handler)
        self.check = check


class _Handler(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        """Answer one bind. The caller then closes the connection."""
        try:
            message, name, password = read_bind(self.rfile)
        except (MalformedError, OSError):
            return
        accepted = isinstance(self.server, Server) and self.server.check(name, password)
        code = _SUCCESS if accepted else _INVALID_CREDENTIALS
        self.wfile.write(response(message, code))


def read_bind(stream: BufferedIOBase) -> tuple[int, str, str]:
    """Return a simple bind's message number, name and password.

    Raises:
        MalformedError: The message isn't a simple bind.
    """
    body = _Reader(_Reader.of(stream).take(_SEQUENCE))
    message = int.from_bytes(body.take(_INTEGER), "big")
    bind = _Reader(body.take(_BIND_REQUEST))
    bind.take(_INTEGER)
    return message, bind.take(_OCTETS).decode(), bind.take(_SIMPLE).decode()


def response(message: int, code: int) -> bytes:
    """Return the response to a bind, which contains only a result code."""
    result = _element(_ENUMERATED, bytes([code])) + _element(_OCTETS, b"") + _element(_OCTETS, b"")
    number = _element(_INTEGER, message.to_bytes(4, "big"))
    return _element(_SEQUENCE, number + _element(_BIND_RESPONSE, result))


def bind(message: int, name: str, password: str) -> bytes:
    """Return the message of a simple bind."""
    parts = _element(_INTEGER, b"\x03") + _element(_OCTETS, name.encode()) + _element(_SIMPLE, password.encode())
    return _element(_SEQUENCE, _element(_INTEGER, bytes([message])) + _element(_BIND_REQUEST, parts))


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x84]) + size.to_bytes(4, "big")  # noqa: PLR2004
    return bytes([tag]) + length + content


class _Reader:
    """A reader of the elements of a BER message."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @classmethod
    def of(cls, stream: BufferedIOBase) -> "_Reader":
        """Return a reader for the next message in a stream."""
        head = stream.read(2)
        if len(head) < 2:  # noqa: PLR2004 - a tag and the first byte of the length
            message = "the connection has ended"
            raise MalformedError(message)
        more = stream.read(head[1] & 0x7F) if head[1] & 0x80 else b""
        size = int.from_bytes(more, "big") if more else head[1]
        if size > _LONGEST:
            message = f"a message must have at most {_LONGEST} bytes, got {size}"
            raise MalformedError(message)
        return cls(head + more + stream.read(size))

    def take(self, tag: int) -> bytes:
        """Return the content of the next element, which must have the tag."""
        if len(self._content) < 2 or self._content[0] != tag:  # noqa: PLR2004
            message = f"expected an element with the tag {tag:#x}"
            raise MalformedError(message)
        first, start = self._content[1], 2
        if first & 0x80:
            start += first & 0x7F
            first = int.from_bytes(self._content[2:start], "big")
        taken, self._content = self._content[start : start + first], self._content[start + first :]
        if len(taken) < first:
            message = "an element ends too early"
            raise MalformedError(message)
        return taken
