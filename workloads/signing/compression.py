"""A gzip stream that compresses only what shrinks: DEFLATE for text, stored blocks for weights.

MiB of input per second, and the compressed size relative to it, on one core of a 2-core AMD EPYC virtual machine:

| data | zlib 6 (gzip) | zlib 1 | ISA-L 1 | stored |
| --- | --- | --- | --- | --- |
| random bytes | | 34, 1.00 | 1063, 1.00 | memory speed, 1.00 |
| fp32 weights | | 27, 0.93 | 576, 0.92 | memory speed, 1.00 |
| bf16 weights | | 29, 0.80 | 281, 0.78 | memory speed, 1.00 |
| JSON | 114, 0.01 | 205, 0.07 | 3415, 0.04 | |
| Python code | 18, 0.21 | 68, 0.26 | 423, 0.25 | |

So ISA-L at level 1 compresses what shrinks well, and everything else is stored. zlib-ng lies between zlib and ISA-L and
would be one more library. ISA-L picks its code by the CPU: the same input gives the same bytes only with the same
toolchain on the same kind of CPU. To compare archives across machines, use the manifest's content digest.
"""

import os
import struct
from collections.abc import Callable, Iterator

from isal import isal_zlib

from workloads.signing.workers import BLOCK_BYTES

# RFC 1952: deflate, no flags, no time, no extra flags, unknown operating system. Always the same.
GZIP_HEADER = bytes.fromhex("1f8b08000000000000ff")
GZIP_TRAILER = struct.Struct("<II")
LEVEL = 1
# Compressing weights, which shrink to 80 %, would cost some twenty times the CPU time of storing them.
WORTHWHILE_RATIO = 0.6
SAMPLE_BYTES = 65536
_STORED_BLOCK = struct.Struct("<BHH")
_FULL_BLOCK = _STORED_BLOCK.pack(0, BLOCK_BYTES, BLOCK_BYTES ^ 0xFFFF)

Buffers = list[bytes | memoryview]
Emit = Callable[[Buffers, Callable[[], object] | None], None]


def is_worth_compressing(
    descriptor: int, size: int, compress: Callable[[bytes, int], bytes] = isal_zlib.compress
) -> bool:
    """Tell by samples from the start, the middle and the end whether `compress` shrinks a file's bytes enough."""
    if size <= SAMPLE_BYTES:
        return True
    starts = (0, (size - SAMPLE_BYTES) // 2, size - SAMPLE_BYTES)
    sample = b"".join(os.pread(descriptor, SAMPLE_BYTES, start) for start in starts)
    return len(compress(sample, LEVEL)) < WORTHWHILE_RATIO * len(sample)


class GzipStream:
    """One gzip member, written through `emit`, which takes buffers in order and a callback for when it is done."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._crc = 0
        self._size = 0
        self._deflater = _deflater()
        emit([GZIP_HEADER], None)

    def compress(self, data: bytes | memoryview) -> None:
        """Append `data` as DEFLATE blocks; the caller may reuse `data` at once."""
        self._count(data)
        if compressed := self._deflater.compress(data):
            self._emit([compressed], None)

    def store(self, data: memoryview, done: Callable[[], object]) -> None:
        """Append `data` as stored blocks without a copy; `data` must not change until `done` is called."""
        self._count(data)
        # A flush ends on a byte boundary, and a new compressor never refers to the bytes before it.
        flushed = self._deflater.flush(isal_zlib.Z_SYNC_FLUSH)
        self._deflater = _deflater()
        self._emit([flushed, *_stored_blocks(data)], done)

    def close(self) -> None:
        """Write the last block and the trailer."""
        trailer = GZIP_TRAILER.pack(self._crc, self._size & 0xFFFFFFFF)
        self._emit([self._deflater.flush(), trailer], None)

    def _count(self, data: bytes | memoryview) -> None:
        self._crc = isal_zlib.crc32(data, self._crc)
        self._size += len(data)


def _deflater() -> "isal_zlib.Compress":
    return isal_zlib.compressobj(LEVEL, wbits=-15)


def _stored_blocks(data: memoryview) -> Iterator[bytes | memoryview]:
    for start in range(0, len(data), BLOCK_BYTES):
        block = data[start : start + BLOCK_BYTES]
        size = len(block)
        yield _FULL_BLOCK if size == BLOCK_BYTES else _STORED_BLOCK.pack(0, size, size ^ 0xFFFF)
        yield block
