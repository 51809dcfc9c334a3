"""List the files of a model directory in order, and detect changes while they are read.

Only regular files can be packaged. Links, devices, pipes and sockets are refused: an archive with one could write
outside the directory where it is extracted, and a link's target may differ from what was signed. Empty directories
are left out, as git and the OpenSSF signature do.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from aegis.manifest import DEEPEST, is_text
from contracts import Exit
from workloads.cli import WorkloadError

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A regular file of a model directory as it was when listed; `name` is its path inside, with slashes."""

    name: str
    path: Path
    size: int
    mark: tuple[int, int, int, int]


def scan(model_dir: Path) -> list[SourceFile]:
    """List the files under `model_dir`, sorted by the parts of their paths.

    Raises:
        WorkloadError: It isn't a readable directory, has no file, or holds something that isn't a regular file.
    """
    try:
        if not model_dir.is_dir():
            raise WorkloadError(f"{model_dir} must be the directory of a model.", Exit.USAGE)
        files = list(_walk(model_dir, ""))
    except OSError as error:
        raise WorkloadError(f"{error.filename} cannot be read: {error.strerror}", Exit.USAGE) from error
    if not files:
        raise WorkloadError(f"{model_dir} holds no file: there is nothing to package.", Exit.USAGE)
    return sorted(files, key=lambda file: PurePosixPath(file.name))


def open_unchanged(file: SourceFile) -> BinaryIO:
    """Open `file` for reading.

    Raises:
        OSError: It can't be read.
        WorkloadError: It is no longer the file that was listed.
    """
    descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    stream = open(descriptor, "rb", buffering=0)  # noqa: SIM115, PTH123 - the caller closes it
    try:
        check_unchanged(file, os.fstat(descriptor))
    except WorkloadError:
        stream.close()
        raise
    return stream


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError while reading `path` into a WorkloadError."""
    try:
        yield
    except OSError as error:
        raise WorkloadError(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from error


def check_unchanged(file: SourceFile, now: os.stat_result) -> None:
    """Raise a `WorkloadError` if `now` shows that `file` was changed after it was listed."""
    if _mark(now) != file.mark:
        raise changed(file.path)


def check_same_files(model_dir: Path, files: list[SourceFile]) -> None:
    """Raise a `WorkloadError` if a file was added, removed or changed since `files` was listed."""
    before = {file.name: file.mark for file in files}
    now = {file.name: file.mark for file in scan(model_dir)}
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise changed(model_dir / name)


def changed(path: Path) -> WorkloadError:
    """Return the error that says that `path` did not keep still."""
    return WorkloadError(f"{path} changed while it was packaged: package a model that nothing writes to.")


def _walk(directory: Path, prefix: str) -> Iterator[SourceFile]:
    if prefix.count("/") > DEEPEST:
        raise WorkloadError(f"{directory} lies more than {DEEPEST} folders deep in the model.", Exit.USAGE)
    with os.scandir(directory) as entries:
        for entry in entries:
            name = prefix + entry.name
            state = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(state.st_mode):
                yield from _walk(directory / entry.name, f"{name}/")
                continue
            path = directory / entry.name
            _check_packable(path, name, state)
            yield SourceFile(name=name, path=path, size=state.st_size, mark=_mark(state))


def _check_packable(path: Path, name: str, state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        kind = _KINDS.get(stat.S_IFMT(state.st_mode), "a special file")
        raise WorkloadError(f"{path} is {kind}: only regular files can be packaged.", Exit.USAGE)
    if not is_text(name):
        raise WorkloadError(
            f"{os.fsencode(path)!r} has a name that is not UTF-8 text without control characters.", Exit.USAGE
        )


def _mark(state: os.stat_result) -> tuple[int, int, int, int]:
    return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
