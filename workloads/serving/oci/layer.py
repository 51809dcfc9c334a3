"""The layer of a model version: a tar of its files that depends on nothing but their names and contents."""

import hashlib
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Self

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.serving.oci.blob import Blob
from workloads.serving.oci.gzip_members import deflated, stored
from workloads.signing import tree
from workloads.signing.compression import is_worth_compressing
from workloads.signing.tree import SourceFile

# What a delivery writes, and the folder of the image that holds it.
FOLDERS: Final = ("evidence", "model")
PLACE: Final = PurePosixPath("models")
# The user and group of the workloads' images.
OWNER: Final = 10001
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
# A whole number of stored blocks, and about 1 MiB.
_BLOCK_BYTES: Final = 16 * 65535
# https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts
_DELETES: Final = ".wh."
_END: Final = bytes(2 * tarfile.BLOCKSIZE)

_Entries = list[tuple[PurePosixPath, SourceFile | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A layer as the registry stores it, and the digest of its uncompressed tar."""

    blob: Blob
    diff_id: str

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read `folder`, which holds `model` and `evidence`, once, and compute both digests in this one pass.

        Raises:
            WorkloadError: One of the two folders is missing, empty or unreadable, or holds something that isn't a file
                or has a name that layers don't allow.
        """
        entries = _entries(folder)
        compressed, uncompressed, size = hashlib.sha256(), hashlib.sha256(), 0
        for block in _packed(entries, uncompressed.update):
            compressed.update(block)
            size += len(block)
        blob = Blob(digest=f"sha256:{compressed.hexdigest()}", size=size, read=lambda: _packed(entries, _ignored))
        return cls(blob=blob, diff_id=f"sha256:{uncompressed.hexdigest()}")


def _entries(folder: Path) -> _Entries:
    """Return the files and their folders, each folder before what it holds."""
    files = {PLACE / part / file.name: file for part in FOLDERS for file in tree.scan(folder / part)}
    for name, file in files.items():
        if any(part.startswith(_DELETES) for part in name.parts):
            problem = f"names with {_DELETES} delete files there."
            raise WorkloadError(f"{file.path} can't be in an image: {problem}", Exit.USAGE)
    folders = {parent for name in files for parent in name.parents if parent.name}
    return sorted((dict.fromkeys(folders) | files).items(), key=lambda entry: entry[0])


def _packed(entries: _Entries, seen: Callable[[bytes], object]) -> Iterator[bytes]:
    """Yield the compressed tar, and pass its uncompressed blocks to `seen`."""
    for name, file in entries:
        yield from deflated(_shown([_header(name, file)], seen))
        if file is not None:
            yield from _packed_file(file, seen)
    yield from deflated(_shown([_END], seen))


def _packed_file(file: SourceFile, seen: Callable[[bytes], object]) -> Iterator[bytes]:
    with tree.reading(file.path), tree.open_unchanged(file) as stream:
        shrinks = is_worth_compressing(stream.fileno(), file.size, zlib.compress)
        content = chain(_blocks(stream, file), [bytes(-file.size % tarfile.BLOCKSIZE)])
        yield from (deflated if shrinks else stored)(_shown(content, seen))


def _blocks(stream: BinaryIO, file: SourceFile) -> Iterator[bytes]:
    left = file.size
    while left and (block := stream.read(min(left, _BLOCK_BYTES))):
        yield block
        left -= len(block)
    tree.check_unchanged(file, os.fstat(stream.fileno()))
    if left:
        raise tree.changed(file.path)


def _header(name: PurePosixPath, file: SourceFile | None) -> bytes:
    info = tarfile.TarInfo(str(name))
    info.uid = info.gid = OWNER
    info.mtime = 0
    if file is None:
        info.type, info.mode = tarfile.DIRTYPE, _FOLDER_MODE
    else:
        info.size, info.mode = file.size, _FILE_MODE
    return info.tobuf(tarfile.PAX_FORMAT)


def _shown(blocks: Iterable[bytes], seen: Callable[[bytes], object]) -> Iterator[bytes]:
    for block in blocks:
        seen(block)
        yield block


def _ignored(_: bytes) -> None:
    """Take a block that nobody needs."""
