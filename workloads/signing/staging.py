"""Files that appear whole or not at all: an archive and what goes with it.

The archive is written to a file without a name, which the kernel forgets when the process dies in any way. What changes
hands changes by a rename, and when the process is killed at any moment, an archive and a manifest that describes it
are there, so that `sign` can go on: a new manifest waits under a name of its own before its archive comes. Only
signatures of an archive that is about to go are taken away first, so that at no time one lies beside an archive
that it doesn't sign. Nothing is forced to the disk: what a power cut may leave is found out by the verification.
"""

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from workloads.cli import file_error
from workloads.signing.layout import Layout

_FILE_MODE = 0o644
_NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}


class StagedArchive:
    """An archive in the making; `stream` is where it is written, unbuffered."""

    def __init__(self, stream: BinaryIO, name: Path | None) -> None:
        self.stream = stream
        self._name = name

    def place(self, layout: Layout) -> None:
        """Give the finished archive its name, replacing what was there."""
        if self._name is None:
            self._name = _link(self.stream, layout.hidden())
        self._name.replace(layout.archive)
        self._name = None

    def discard(self) -> None:
        """Forget what was written unless it was placed."""
        self.stream.close()
        if self._name is not None:
            self._name.unlink(missing_ok=True)


@contextlib.contextmanager
def staged(layout: Layout) -> Iterator[StagedArchive]:
    """Open an archive that shall become the one of `layout`; unless placed it is gone afterwards.

    Raises:
        WorkloadError: Its directory is missing, not writable or full.
    """
    with written(layout.archive):
        archive = _open(layout)
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
        raise file_error(path, "written", error) from error


def publish(layout: Layout, files: Mapping[Path, bytes], archive: StagedArchive | None = None) -> None:
    """Put `files`, in their order, beside the archive, after placing `archive` if there is a new one.

    Raises:
        OSError: A file cannot be written. Until all are written nothing has changed.
    """
    parts = {path: layout.hidden() for path in files}
    try:
        for path, content in files.items():
            parts[path].write_bytes(content)
        if archive is not None:
            _replace_archive(layout, parts, archive)
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            # What can't be removed now is when the archive is next written.
            with contextlib.suppress(OSError):
                part.unlink()


def _replace_archive(layout: Layout, parts: dict[Path, Path], archive: StagedArchive) -> None:
    parts[layout.manifest] = parts[layout.manifest].replace(layout.next_manifest)
    for stale in layout.signatures:
        stale.unlink(missing_ok=True)
    archive.place(layout)
    parts.pop(layout.manifest).replace(layout.manifest)


def _open(layout: Layout) -> StagedArchive:
    folder = layout.archive.parent
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _FILE_MODE)
        return StagedArchive(os.fdopen(descriptor, "w+b", buffering=0), None)
    except OSError as error:
        if error.errno not in _NO_UNNAMED_FILES or not folder.is_dir():
            raise
    name = layout.hidden()
    return StagedArchive(name.open("x+b", buffering=0), name)


def _link(stream: BinaryIO, name: Path) -> Path:
    """Give an unnamed file a name, as open(2) describes for O_TMPFILE."""
    directory = os.open(name.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Only with a directory's descriptor does Python use linkat(2), which follows the link in /proc.
        os.link(f"/proc/self/fd/{stream.fileno()}", name.name, dst_dir_fd=directory)
    finally:
        os.close(directory)
    return name
