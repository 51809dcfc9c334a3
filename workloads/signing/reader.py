"""Read only archives that `archive` writes: a tar stream in gzip, compared byte by byte.

The stream decides nothing: the manifest says which file comes next, and the reader accepts only the header that
packaging would have written for it. Links, devices, other paths and duplicates never reach the file system; `diagnosis`
only names them.
"""

from collections.abc import Iterable, Iterator, Sequence

from isal import igzip_lib, isal_zlib

from aegis.errors import NotVerifiedError
from aegis.manifest import PackedFile
from workloads.signing import diagnosis
from workloads.signing.archive import TAR_BLOCK, TAR_RECORD, tar_header
from workloads.signing.compression import GZIP_HEADER, GZIP_TRAILER

_PIECE_BYTES = 1 << 20


def contents(stream: "PlainStream", files: Sequence[PackedFile]) -> Iterator[tuple[PackedFile, memoryview]]:
    """Yield the content of `files` in pieces, an empty piece for an empty file, to the end of the archive.

    The pieces are not verified: compare their digests.

    Raises:
        NotVerifiedError: The archive doesn't hold exactly `files`, in this order.
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
    """The uncompressed bytes of an archive, whose compressed bytes are `chunks`, read in any sizes."""

    def __init__(self, chunks: Iterable[memoryview]) -> None:
        self._chunks = iter(chunks)
        self._inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
        self._piece = memoryview(b"")
        self._crc = 0
        self._trailer = b""
        self._size = 0
        first = next(self._chunks, b"")
        if first[: len(GZIP_HEADER)] != GZIP_HEADER:
            raise NotVerifiedError("the archive does not begin in the form that packaging writes")
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
        """The number of bytes taken so far."""
        return self._size - len(self._piece)

    def end(self) -> None:
        """Check that only the gzip trailer follows."""
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
        """Check the gzip checksum and size; call it after the digests, which give a better reason."""
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
