"""Where a PostgreSQL server asks whether a password is right: the simple bind of LDAP, and nothing else of LDAP.

PostgreSQL speaks it out of the box and sends the password whole, however long. Through PAM the tokens of IAM would be
cut: pam_exec hands 512 bytes to a program. https://www.rfc-editor.org/rfc/rfc4511#section-4.2
"""

import socketserver
from collections.abc import Callable
from io import BufferedIOBase

# Tags of BER (X.690) that a bind has.
_INTEGER, _OCTETS, _ENUMERATED, _SEQUENCE = 0x02, 0x04, 0x0A, 0x30
_BIND_REQUEST, _BIND_RESPONSE, _SIMPLE = 0x60, 0x61, 0x80
_SUCCESS, _INVALID_CREDENTIALS = 0, 49
# Longer than any login; PostgreSQL takes passwords of at most 64 KiB.
_LONGEST = 1 << 17

# What pg_hba.conf has PostgreSQL put before the name: a bind is for a distinguished name.
NAME_PREFIX = "cn="

Check = Callable[[str, str], bool]


class MalformedError(Exception):
    """A message that is no simple bind."""


class Server(socketserver.ThreadingTCPServer):
    """Answers binds with what `check` says of the name and the password."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], check: Check) -> None:
        super().__init__(address, _Handler)
        self.check = check


class _Handler(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        """Answer one bind; the client then ends the connection."""
        try:
            message, name, password = read_bind(self.rfile)
        except (MalformedError, OSError):
            return
        known = isinstance(self.server, Server) and self.server.check(name, password)
        code = _SUCCESS if known else _INVALID_CREDENTIALS
        self.wfile.write(response(message, code))


def read_bind(stream: BufferedIOBase) -> tuple[int, str, str]:
    """Return a simple bind's message number, name and password.

    Raises:
        MalformedError: The message is something else.
    """
    body = _Reader(_Reader.of(stream).take(_SEQUENCE))
    message = int.from_bytes(body.take(_INTEGER), "big")
    bind = _Reader(body.take(_BIND_REQUEST))
    bind.take(_INTEGER)
    return message, bind.take(_OCTETS).decode(), bind.take(_SIMPLE).decode()


def response(message: int, code: int) -> bytes:
    """Return the answer to a bind, with no more to say than its code."""
    result = _element(_ENUMERATED, bytes([code])) + _element(_OCTETS, b"") + _element(_OCTETS, b"")
    number = _element(_INTEGER, message.to_bytes(4, "big"))
    return _element(_SEQUENCE, number + _element(_BIND_RESPONSE, result))


def bind(message: int, name: str, password: str) -> bytes:
    """Return a simple bind, as a client writes it."""
    parts = _element(_INTEGER, b"\x03") + _element(_OCTETS, name.encode()) + _element(_SIMPLE, password.encode())
    return _element(_SEQUENCE, _element(_INTEGER, bytes([message])) + _element(_BIND_REQUEST, parts))


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x84]) + size.to_bytes(4, "big")  # noqa: PLR2004
    return bytes([tag]) + length + content


class _Reader:
    """Takes the elements of a BER message one after another."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @classmethod
    def of(cls, stream: BufferedIOBase) -> "_Reader":
        """Return a reader of the one message on a stream."""
        head = stream.read(2)
        if len(head) < 2:  # noqa: PLR2004 - a tag and the first byte of a length
            message = "the connection has ended"
            raise MalformedError(message)
        more = stream.read(head[1] & 0x7F) if head[1] & 0x80 else b""
        size = int.from_bytes(more, "big") if more else head[1]
        if size > _LONGEST:
            message = f"a message of {size} bytes is no login"
            raise MalformedError(message)
        return cls(head + more + stream.read(size))

    def take(self, tag: int) -> bytes:
        """Return the content of the next element, which must have this tag."""
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
