"""Content that a registry stores under its digest."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from contracts import Exit
from workloads.cli import WorkloadError


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """Content of `size` bytes; `read` can be called again, after an upload was interrupted."""

    digest: str
    size: int
    read: Callable[[], Iterable[bytes]]

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return a blob that is in memory."""
        return cls(digest=digest_of(content), size=len(content), read=lambda: [content])

    def read_from(self, start: int) -> Iterator[bytes]:
        """Yield the content from byte `start` on."""
        for block in self.read():
            if start < len(block):
                yield block[start:] if start else block
            start = max(start - len(block), 0)


def digest_of(content: bytes) -> str:
    """Return the digest of `content` as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def verified(blocks: Iterable[bytes], digest: str, size: int) -> Iterator[bytes]:
    """Yield `blocks`, and raise before the last one is complete if they aren't the content of `digest`.

    Raises:
        WorkloadError: There are more or fewer than `size` bytes, or their digest differs.
    """
    seen, held, actual = 0, b"", hashlib.sha256()
    for block in blocks:
        seen += len(block)
        if seen > size:
            break
        actual.update(block)
        # One block is always held back: a reader never has the whole of a wrong content.
        if held:
            yield held
        held = block
    if seen != size or f"sha256:{actual.hexdigest()}" != digest:
        raise WorkloadError(f"The registry's content of {digest} is not that content: refused.", Exit.NOT_VERIFIED)
    yield held
