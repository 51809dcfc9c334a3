"""Checksums in HTTP headers: Repr-Digest and Content-Digest of RFC 9530, with SHA-256."""

import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from typing import Final

from workloads.gateway.errors import ChecksumError, UnprocessableError

# The header that an answer carries.
HEADER: Final = "repr-digest"
ACCEPTED: Final = ("repr-digest", "content-digest")
# The base64 of 32 bytes.
_SHA256: Final = "sha-256=:([A-Za-z0-9+/]{43}=):"
# Of the headers that can be parsed: those with a SHA-256 digest, or with other digests only.
PATTERN: Final = f"{_SHA256}|^((?!sha-256=).)*$"


def header(digest: bytes) -> str:
    """Return the value of the header for a SHA-256 digest."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def parse(value: str) -> bytes | None:
    """Return the SHA-256 digest in a header, or None if it only has others.

    Raises:
        UnprocessableError: It has one that can't be parsed.
    """
    if "sha-256=" not in value:
        return None
    if not (found := re.search(_SHA256, value)):
        raise UnprocessableError("A digest must be sha-256=:BASE64: with the base64 of 32 bytes (RFC 9530).")
    return base64.b64decode(found[1])


class Hashing:
    """Chunks that are hashed on their way. At their end, they are compared with `expected`, if that is given.

    The comparison comes before the last chunk is handed on, so that wrong content is never whole.
    """

    def __init__(self, chunks: AsyncIterator[bytes], *, expected: bytes | None = None) -> None:
        self._chunks = chunks
        self._expected = expected
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> bytes:
        """The SHA-256 digest of what has passed."""
        return self._hash.digest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks.

        Raises:
            ChecksumError: They don't have the expected digest.
        """
        last = b""
        async for chunk in self._chunks:
            if last:
                yield last
            last = chunk
            self.size += len(chunk)
            self._hash.update(chunk)
        if self._expected is not None and not hmac.compare_digest(self._expected, self.digest):
            raise ChecksumError(f"The content has the digest {header(self.digest)}.")
        if last:
            yield last
