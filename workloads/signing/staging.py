"""Write an archive and its files so that each appears whole or not at all.

The archive is written to a file without a name, which the kernel removes if the process dies. Files are replaced by
renames. A process killed at any moment leaves an archive and a manifest that describes it, which `sign` can complete: a
new manifest waits under a separate name until its archive is placed. Only the signatures of an archive
that is about to be replaced are removed first, so that a signature never lies beside an archive that it doesn't sign.
Nothing is flushed to disk: verification detects what a power failure leaves.
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
    """An unfinished archive, written to the unbuffered `stream`."""

    def __init__(self, stream: BinaryIO, name: Path | None) -> None:
        self.stream = stream
        self._name = name

    def place(self, layout: Layout) -> None:
        """Give the finished archive its name, replacing the old one."""
        if self._name is None:
            self._name = _link(self.stream, layout.hidden())
        self._name.replace(layout.archive)
        self._name = None

    def discard(self) -> None:
        """Close the archive, and remove it unless it was placed."""
        self.stream.close()
        if self._name is not None:
            self._name.unlink(missing_ok=True)


@contextlib.contextmanager
def staged(layout: Layout) -> Iterator[StagedArchive]:
    """Open the new archive of `layout`; it is removed afterwards unless it was placed.

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
    """Turn an OSError while writing `path` into a WorkloadError."""
    try:
        yield
    except OSError as error:
        raise file_error(path, "written", error) from error


def publish(layout: Layout, files: Mapping[Path, bytes], archive: StagedArchive | None = None) -> None:
    """Put `files`, in their order, beside the archive, after placing `archive` if there is a new one.

    Raises:
        OSError: A file can't be written. Nothing changes until all are written.
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
            # The next write of the archive removes what can't be removed now.
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
        # Python uses linkat(2), which follows the link in /proc, only with a directory's descriptor.
        os.link(f"/proc/self/fd/{stream.fileno()}", name.name, dst_dir_fd=directory)
    finally:
        os.close(directory)
    return name
