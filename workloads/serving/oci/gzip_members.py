"""Gzip whose bytes depend on the input alone: DEFLATE by zlib for what shrinks, stored blocks for weights.

A file of several gzip members is a gzip file (RFC 1952, section 2.2), and runtimes read it: eStargz layers are made of
members, too. `workloads.signing.compression` is faster at text, but its bytes depend on the kind of CPU, and an image
that another machine makes again must have the same digest.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from workloads.signing.compression import GZIP_HEADER, GZIP_TRAILER
from workloads.signing.workers import BLOCK_BYTES

_LEVEL: Final = 6
_STORED: Final = struct.Struct("<BHH")
_FULL: Final = _STORED.pack(0, BLOCK_BYTES, BLOCK_BYTES ^ 0xFFFF)
# The end of the stream: a last block without content.
_LAST: Final = _STORED.pack(1, 0, 0xFFFF)


def deflated(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield one gzip member with `blocks` compressed."""
    deflater = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
    return _member(blocks, lambda block: [deflater.compress(block)], deflater.flush)


def stored(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield one gzip member with `blocks` as they are."""
    return _member(blocks, _stored, lambda: _LAST)


def _member(
    blocks: Iterable[bytes], packed: Callable[[bytes], Iterable[bytes | memoryview]], end: Callable[[], bytes]
) -> Iterator[bytes]:
    checksum = size = 0
    yield GZIP_HEADER
    for block in blocks:
        checksum = zlib.crc32(block, checksum)
        size += len(block)
        yield b"".join(packed(block))
    yield end() + GZIP_TRAILER.pack(checksum, size & 0xFFFFFFFF)


def _stored(data: bytes) -> Iterator[bytes | memoryview]:
    view = memoryview(data)
    for start in range(0, len(view), BLOCK_BYTES):
        block = view[start : start + BLOCK_BYTES]
        size = len(block)
        yield _FULL if size == BLOCK_BYTES else _STORED.pack(0, size, size ^ 0xFFFF)
        yield block
