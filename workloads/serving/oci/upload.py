"""One upload of a blob, which goes on where it was interrupted.

The content is sent as one PATCH, as crane and skopeo do, because registries set different limits to the sizes of
chunks. After an interruption the registry says how much it has, and only the rest is sent.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

import httpx

from workloads import progress
from workloads.serving.oci.answers import UnavailableError
from workloads.serving.oci.blob import Blob
from workloads.serving.oci.connection import Connection

_RANGE: Final = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")
_CREATED, _ACCEPTED, _NO_CONTENT, _NOT_FOUND, _OTHER_RANGE = 201, 202, 204, 404, 416


class Upload:
    """An upload through `connection`; `begin` opens a session and returns its address, or None if it isn't needed."""

    def __init__(self, connection: Connection, blob: Blob, begin: Callable[[], httpx.URL | None]) -> None:
        self._connection = connection
        self._blob = blob
        self._begin = begin
        self._session: httpx.URL | None = None

    def attempt(self) -> None:
        """Send what the registry doesn't have yet; after a transient failure, call it again."""
        start = self._received(self._session) if self._session else 0
        if self._session is None:
            self._session = self._begin()
        if self._session is not None:
            if start < self._blob.size:
                self._session = self._send(self._session, start)
            self._complete(self._session)

    def _received(self, session: httpx.URL) -> int:
        """Return how many bytes the registry has, and forget a session that it doesn't know any more."""
        with self._connection.answer("GET", session, accepted=(_NO_CONTENT, _NOT_FOUND)) as response:
            if response.status_code == _NOT_FOUND:
                self._session = None
                return 0
            self._session = self._next(session, response)
            found = _RANGE.fullmatch(response.headers.get("range", ""))
        # Of nothing, registries say `0-0` too.
        last = int(found[1]) if found else 0
        return min(last + 1, self._blob.size) if last else 0

    def _send(self, session: httpx.URL, start: int) -> httpx.URL:
        size = self._blob.size
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size - start)}
        if start:
            headers["Content-Range"] = f"{start}-{size - 1}"
        with self._connection.answer(
            "PATCH",
            session,
            accepted=(_ACCEPTED, _OTHER_RANGE),
            headers=headers,
            content=lambda: self._shown(start),
            is_long=True,
        ) as response:
            if response.status_code == _OTHER_RANGE:
                self._session = None
                raise UnavailableError("the upload can't go on and is started again")
            return self._next(session, response)

    def _complete(self, session: httpx.URL) -> None:
        url = session.copy_merge_params({"digest": self._blob.digest})
        with self._connection.answer("PUT", url, accepted=(_CREATED,), is_long=True):
            pass

    def _next(self, session: httpx.URL, response: httpx.Response) -> httpx.URL:
        location = response.headers.get("location")
        return self._connection.next_url(session, location) if location else session

    def _shown(self, start: int) -> Iterator[bytes]:
        with progress.bar(f"Uploading {self._blob.digest[:19]}", self._blob.size - start) as bar:
            for block in self._blob.read_from(start):
                yield block
                bar.update(len(block))
