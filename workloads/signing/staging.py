"""Files that appear whole or not at all: an archive and what goes with it.

The archive is written to a file without a name, which the kernel forgets when the process dies in any way. Publishing
takes the old signatures away before the archive changes and brings the new ones after it, so that at no time a
signature lies beside an archive that it doesn't sign. Nothing is forced to the disk: what a power cut
may leave is found out by the verification.
"""

import contextlib
import errno
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.signing.layout import Layout

_FILE_MODE = 0o644
_NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}


class StagedArchive:
    """An archive in the making; `stream` is where it is written, unbuffered."""

    def __init__(self, stream: BinaryIO, name: Path | None) -> None:
        self.stream = stream
        self._name = name

    def place(self, path: Path) -> None:
        """Give the finished archive its name, replacing what was there."""
        if self._name is None:
            self._name = _link(self.stream, _hidden(path))
        self._name.replace(path)
        self._name = None

    def discard(self) -> None:
        """Forget what was written unless it was placed."""
        self.stream.close()
        if self._name is not None:
            self._name.unlink(missing_ok=True)


@contextlib.contextmanager
def staged(path: Path) -> Iterator[StagedArchive]:
    """Open an archive that shall become `path`; unless placed it is gone afterwards.

    Raises:
        WorkloadError: Its directory is missing, not writable or full.
    """
    with written(path):
        archive = _open(path)
        try:
            yield archive
        finally:
            archive.discard()


@contextlib.contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn a file system's refusal of what shall become `path` into one clear line."""
    try:
        yield
    except OSError as error:
        raise WorkloadError(f"{path} cannot be written: {error.strerror or error}", Exit.UNEXPECTED) from error


def publish(layout: Layout, files: Mapping[Path, bytes], archive: StagedArchive | None = None) -> None:
    """Put `files`, in their order, beside the archive, after placing `archive` if there is a new one.

    Raises:
        OSError: A file cannot be written. Until all are written nothing has changed.
    """
    parts = {path: _hidden(path) for path in files}
    try:
        for path, content in files.items():
            parts[path].write_bytes(content)
        for stale in (*layout.signatures, layout.manifest):
            stale.unlink(missing_ok=True)
        if archive is not None:
            archive.place(layout.archive)
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _open(path: Path) -> StagedArchive:
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _FILE_MODE)
        return StagedArchive(os.fdopen(descriptor, "w+b", buffering=0), None)
    except OSError as error:
        if error.errno not in _NO_UNNAMED_FILES or not path.parent.is_dir():
            raise
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.fchmod(descriptor, _FILE_MODE)
    return StagedArchive(os.fdopen(descriptor, "w+b", buffering=0), Path(name))


def _link(stream: BinaryIO, name: Path) -> Path:
    """Give an unnamed file a name, as open(2) describes for O_TMPFILE."""
    directory = os.open(name.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Only with a directory's descriptor does Python use linkat(2), which follows the link in /proc.
        os.link(f"/proc/self/fd/{stream.fileno()}", name.name, dst_dir_fd=directory)
    finally:
        os.close(directory)
    return name


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
