"""Reading the small files that a user names or that lie beside an archive, whatever is found there."""

import io
import os
import stat
from pathlib import Path

# A manifest of some 1.5 million files; what lies beside an archive is read before it can be trusted.
LARGEST_BYTES = 256 << 20


class UnfitFileError(OSError):
    """A file that is there and will not be read; the text says what it is."""


def problem(path: Path, error: OSError) -> str:
    """Return the line that says why `path` was not read."""
    return f"{path} {error}" if isinstance(error, UnfitFileError) else f"{path} cannot be read: {error.strerror}"


def open_regular(path: Path) -> io.FileIO:
    """Open a regular file for reading, unbuffered; a pipe that nobody writes to is no reason to wait.

    Raises:
        OSError: It can't be opened, or is no regular file.
    """
    return io.FileIO(path, opener=_regular)


def read_regular(path: Path, limit: int = LARGEST_BYTES) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: It can't be read, is no regular file, or has more than `limit` bytes.
    """
    with open_regular(path) as stream:
        return _bounded(stream.read(limit + 1), limit)


def read_any(path: Path, limit: int) -> bytes:
    """Return what `path` holds; it may be a pipe, as a shell's `<(command)` is.

    Raises:
        OSError: It can't be read, or has more than `limit` bytes.
    """
    with path.open("rb") as stream:
        return _bounded(stream.read(limit + 1), limit)


def _bounded(content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise UnfitFileError(f"is larger than {limit >> 20} MiB")
    return content


def _regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnfitFileError("is not a regular file")
    return descriptor
