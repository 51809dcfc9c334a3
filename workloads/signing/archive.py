"""Write the reproducible `tar.gz` of a model directory in one pass that also computes every digest.

One thread reads, one hashes the files, one hashes the archive and one writes it, over a few shared buffers. The tar
headers are POSIX pax with fixed owner, mode and time, so that only names and contents decide the bytes.
"""

import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from aegis.manifest import Manifest, PackedFile
from workloads.signing.compression import Buffers, GzipStream, is_worth_compressing
from workloads.signing.tree import SourceFile, changed, check_same_files, check_unchanged, open_unchanged, reading, scan
from workloads.signing.workers import Pool, Slab, Worker

FILE_MODE = 0o644
TAR_BLOCK = 512
# POSIX tar ends with two zero blocks; tape readers expect whole records of 20 blocks.
TAR_RECORD = 20 * TAR_BLOCK


# Called with the bytes done and the total bytes.
Progress = Callable[[int, int], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """A written archive: its SHA-256 in hex, its size in bytes and its files in order."""

    sha256: str
    size: int
    files: tuple[PackedFile, ...]

    def manifest(self, model: str, source: Mapping[str, Any]) -> Manifest:
        """Return the unsigned manifest of the archive."""
        return Manifest(
            model=model, archive_sha256=self.sha256, archive_size=self.size, files=self.files, source=source
        )


def no_progress(done: int, total: int) -> None:
    """Ignore the progress."""


def write_archive(model_dir: Path, output: BinaryIO, progress: Progress = no_progress) -> Packed:
    """Write the archive of `model_dir` to `output`, an unbuffered file, and report to `progress`.

    Raises:
        WorkloadError: The directory holds something that can't be packaged, or it changed meanwhile.
        OSError: `output` can't be written.
    """
    files = scan(model_dir)
    with ExitStack() as stack:
        writer = _ArchiveWriter(stack, output)
        done, total = 0, sum(file.size for file in files)
        for file in files:
            for size in writer.add(file):
                done += size
                progress(done, total)
        packed = writer.finish()
    check_same_files(model_dir, files)
    return packed


def tar_header(name: str, size: int) -> bytes:
    """Return the tar header blocks of a regular file."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = FILE_MODE
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


class _ArchiveWriter:
    """The reading thread of the pipeline."""

    def __init__(self, stack: ExitStack, output: BinaryIO) -> None:
        self._descriptor = output.fileno()
        self._pool = Pool()
        self._file_hasher = stack.enter_context(Worker("hash-files"))
        self._archive_hasher = stack.enter_context(Worker("hash-archive"))
        self._writer = stack.enter_context(Worker("write-archive"))
        self._digest = hashlib.sha256()
        self._tar_size = 0
        self._size = 0
        self._gzip = GzipStream(self._emit)
        self._files: list[tuple[SourceFile, hashlib._Hash]] = []

    def add(self, file: SourceFile) -> Iterator[int]:
        """Append a file, yielding the size of each piece."""
        with reading(file.path):
            stream = open_unchanged(file)
        with stream:
            self._append(tar_header(file.name, file.size))
            yield from self._copy(file, stream)
            check_unchanged(file, os.fstat(stream.fileno()))
        self._append(bytes(-file.size % TAR_BLOCK))

    def finish(self) -> Packed:
        self._append(bytes(2 * TAR_BLOCK))
        self._append(bytes(-self._tar_size % TAR_RECORD))
        self._gzip.close()
        for worker in (self._file_hasher, self._archive_hasher, self._writer):
            worker.finish()
        files = (PackedFile(path=file.name, size=file.size, sha256=d.hexdigest()) for file, d in self._files)
        return Packed(sha256=self._digest.hexdigest(), size=self._size, files=tuple(files))

    def _copy(self, file: SourceFile, stream: BinaryIO) -> Iterator[int]:
        digest = hashlib.sha256()
        self._files.append((file, digest))
        with reading(file.path):
            store = not is_worth_compressing(stream.fileno(), file.size)
        left = file.size
        while left:
            slab = self._pool.take()
            with reading(file.path):
                data = slab.view[: _fill(stream, slab, left)]
            if not data:
                raise changed(file.path)
            left -= len(data)
            self._send(slab, data, digest, store=store)
            self._tar_size += len(data)
            yield len(data)

    def _send(self, slab: Slab, data: memoryview, digest: "hashlib._Hash", *, store: bool) -> None:
        if not store:
            slab.share(1)
            self._gzip.compress(data)
            self._file_hasher.do(partial(digest.update, data), slab.release)
            return
        slab.share(3)
        self._file_hasher.do(partial(digest.update, data), slab.release)
        self._gzip.store(data, slab.release)

    def _append(self, data: bytes) -> None:
        self._gzip.compress(data)
        self._tar_size += len(data)

    def _emit(self, buffers: Buffers, done: Callable[[], object] | None) -> None:
        self._size += sum(map(len, buffers))
        self._archive_hasher.do(partial(_update_all, self._digest, buffers), done)
        self._writer.do(partial(_write_all, self._descriptor, buffers), done)


def _fill(stream: BinaryIO, slab: Slab, limit: int) -> int:
    buffer = slab.view[:limit]
    filled = 0
    while filled < len(buffer):
        size = os.readv(stream.fileno(), [buffer[filled:]])
        if not size:
            break
        filled += size
    return filled


def _update_all(digest: "hashlib._Hash", buffers: Buffers) -> None:
    for buffer in buffers:
        digest.update(buffer)


def _write_all(descriptor: int, buffers: Buffers) -> None:
    written = os.writev(descriptor, buffers)
    if written < sum(map(len, buffers)):
        rest = memoryview(b"".join(buffers))[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]
