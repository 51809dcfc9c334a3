"""Read files that others wrote, within limits: the small files beside an archive, and pipes."""

import io
import os
import stat
from pathlib import Path

# A manifest of some 1.5 million files. Limited because these files are read before they can be trusted.
LARGEST_BYTES = 256 << 20


class UnfitFileError(OSError):
    """The file exists but must not be read; the text is the reason."""


def problem(path: Path, error: OSError) -> str:
    """Return the message for `path`, which could not be read."""
    return f"{path} {error}" if isinstance(error, UnfitFileError) else f"{path} cannot be read: {error.strerror}"


def open_regular(path: Path) -> io.FileIO:
    """Open a regular file for reading, unbuffered, without blocking on a pipe that has no writer.

    Raises:
        OSError: It can't be opened or isn't a regular file.
    """
    return io.FileIO(path, opener=_regular)


def read_regular(path: Path, limit: int = LARGEST_BYTES) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: It can't be read, isn't a regular file, or has more than `limit` bytes.
    """
    with open_regular(path) as stream:
        return _bounded(stream.read(limit + 1), limit)


def read_any(path: Path, limit: int) -> bytes:
    """Return the content of `path`, which may be a pipe such as a shell's `<(command)`.

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
