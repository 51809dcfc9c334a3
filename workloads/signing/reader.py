"""Reads the archives that `archive` writes and nothing else: a tar stream in gzip, byte by byte as expected.

Nothing in the stream decides what happens: the manifest says which file comes next, and the reader takes only the
header that the packaging would have written for it. What else a tar file may hold (links, devices, other paths,
duplicates) never reaches a file system; `diagnosis` only names it.
"""

from collections.abc import Iterable, Iterator, Sequence

from isal import igzip_lib, isal_zlib

from workloads.signing import diagnosis
from workloads.signing.archive import TAR_BLOCK, TAR_RECORD, PackedFile, tar_header
from workloads.signing.compression import GZIP_HEADER, GZIP_TRAILER
from workloads.signing.inputs import NotVerifiedError

_PIECE_BYTES = 1 << 20


def contents(stream: "PlainStream", files: Sequence[PackedFile]) -> Iterator[tuple[PackedFile, memoryview]]:
    """Yield the content of `files` in pieces, an empty one for an empty file, to the end of the archive.

    A piece says nothing about whether it is what was signed: compare the digests.

    Raises:
        NotVerifiedError: The archive isn't exactly one of `files`, in their order.
    """
    for position, file in enumerate(files):
        expected = tar_header(file.path, file.size)
        found = stream.take(len(expected))
        if found != expected:
            raise NotVerifiedError(diagnosis.explain(found, stream.take, files, position))
        left = file.size
        if not left:
            yield file, memoryview(b"")
        while left:
            piece = stream.some(left)
            left -= len(piece)
            yield file, piece
        if any(stream.take(-file.size % TAR_BLOCK)):
            raise NotVerifiedError(f"the archive hides bytes after {file.path}")
    _check_end(stream, files)


def _check_end(stream: "PlainStream", files: Sequence[PackedFile]) -> None:
    found = stream.take(TAR_BLOCK)
    if any(found):
        raise NotVerifiedError(diagnosis.explain(found, stream.take, files, len(files)))
    second = TAR_BLOCK
    if any(stream.take(second + -(stream.taken + second) % TAR_RECORD)):
        raise NotVerifiedError("the archive hides bytes after its last file")
    stream.end()


class PlainStream:
    """The uncompressed bytes of an archive, taken in the sizes that are asked for; `chunks` are its bytes."""

    def __init__(self, chunks: Iterable[memoryview]) -> None:
        self._chunks = iter(chunks)
        self._inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
        self._piece = memoryview(b"")
        self._crc = 0
        self._trailer = b""
        self._size = 0
        first = next(self._chunks, b"")
        if first[: len(GZIP_HEADER)] != GZIP_HEADER:
            raise NotVerifiedError("the archive does not begin as the packaging writes it")
        self._pending: memoryview | bytes = first[len(GZIP_HEADER) :]

    def some(self, limit: int) -> memoryview:
        """Return between 1 and `limit` bytes."""
        if not self._piece:
            self._piece = memoryview(self._inflate())
        piece, self._piece = self._piece[:limit], self._piece[limit:]
        return piece

    def take(self, size: int) -> bytes:
        """Return exactly `size` bytes."""
        taken = bytearray()
        while len(taken) < size:
            taken += self.some(size - len(taken))
        return bytes(taken)

    @property
    def taken(self) -> int:
        """How many bytes were taken so far."""
        return self._size - len(self._piece)

    def end(self) -> None:
        """Check that nothing follows but the gzip trailer."""
        if self._piece or self._inflate(at_end=True):
            raise NotVerifiedError("the archive goes on after its end")
        rest = bytearray(self._inflater.unused_data)
        for chunk in self._chunks:
            rest += chunk
            if len(rest) > GZIP_TRAILER.size:
                break
        if len(rest) > GZIP_TRAILER.size:
            raise NotVerifiedError("the archive has trailing bytes after its end")
        self._trailer = bytes(rest)

    def check_trailer(self) -> None:
        """Compare the checksum and the size at the end: any gzip reader would, but a digest says more."""
        if self._trailer != GZIP_TRAILER.pack(self._crc, self._size & 0xFFFFFFFF):
            raise NotVerifiedError("the archive's checksum is wrong: it is damaged")

    def _inflate(self, *, at_end: bool = False) -> bytes:
        while not self._inflater.eof:
            if self._inflater.needs_input and not self._pending:
                self._pending = next(self._chunks, b"")
                if not self._pending:
                    break
            piece = self._decompress()
            if piece:
                self._crc = isal_zlib.crc32(piece, self._crc)
                self._size += len(piece)
                return piece
        if at_end and self._inflater.eof:
            return b""
        raise NotVerifiedError("the archive is cut off")

    def _decompress(self) -> bytes:
        pending, self._pending = self._pending, b""
        try:
            return self._inflater.decompress(pending, _PIECE_BYTES)
        except igzip_lib.error as error:  # pyright: ignore[reportGeneralTypeIssues] - its stub is wrong
            raise NotVerifiedError(f"the archive is damaged: {error}") from error
