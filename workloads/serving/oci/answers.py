"""Answers of a registry, which are bounded before they are read: the other side isn't trusted."""

import json
from typing import Final

import httpx

from contracts import Exit
from workloads.cli import WorkloadError

# In bytes. An error of a registry is a short JSON object; an HTML page of a proxy says nothing after its start.
_LONGEST_ERROR: Final = 64 << 10
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500


class UnavailableError(Exception):
    """A transient failure of a registry, which a later attempt may not meet."""


# What is worth another attempt.
TRANSIENT: Final = (UnavailableError, httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)


def read(response: httpx.Response, most: int) -> bytes:
    """Return the body of an answer.

    Raises:
        WorkloadError: It has more than `most` bytes.
    """
    content = bytearray()
    for block in response.iter_raw():
        content += block
        if len(content) > most:
            raise WorkloadError(
                f"{_named(response)} answers with more than {most} bytes where that is the limit: refused.",
                Exit.NOT_VERIFIED,
            )
    return bytes(content)


def failure(response: httpx.Response) -> UnavailableError | WorkloadError:
    """Return the error of an unexpected answer, with the registry's message."""
    status = response.status_code
    text = f"{status} {response.reason_phrase}{_message(response)}"
    if status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS:
        return UnavailableError(text)
    return WorkloadError(f"{_named(response)} refuses {response.request.method}: {text}", Exit.OBJECT_STORE)


def _message(response: httpx.Response) -> str:
    """Return the code and the message of the first error (distribution-spec, "Error Codes")."""
    try:
        match json.loads(read(response, _LONGEST_ERROR)):
            case {"errors": [{"code": str(code), **rest}, *_]}:
                message = rest.get("message")
                return f", {code}: {message}" if isinstance(message, str) and message else f", {code}"
            case {"details": str(message)} | {"error": str(message)}:
                return f", {message}"
    except (ValueError, RecursionError, WorkloadError, httpx.HTTPError):
        pass
    return ""


def _named(response: httpx.Response) -> str:
    # Without the query, which may hold the signature of an address.
    return f"The registry at {response.request.url.copy_with(query=None, userinfo=b'')}"
