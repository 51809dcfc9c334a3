"""Folders of verified files: one that appears complete or not at all, and one that lives as long as a model."""

import atexit
import contextlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path


def require_empty(target: Path) -> None:
    """Raise a `FileExistsError` if `target` is anything but a new or empty folder."""
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        raise FileExistsError(f"{target} must be a new or empty folder.")


@contextlib.contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """Give a path for a new folder, whose files move to `target` at the end; after an error, they are removed.

    An existing empty folder, such as a mount point, is kept: the new folder is prepared inside it.

    Raises:
        FileExistsError: `target` is anything but a new or empty folder.
        OSError: The folder can't be written.
    """
    require_empty(target)
    target = target.absolute()
    exists = target.is_dir()
    parent = target if exists else target.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".aegis-", dir=parent) as scratch:
        folder = Path(scratch, "files")
        yield folder
        if exists:
            for path in sorted(folder.iterdir()):
                path.rename(target / path.name)
        else:
            folder.rename(target)


@contextlib.contextmanager
def removed_on_error() -> Iterator[Path]:
    """Give a new private folder, which is removed after an error."""
    folder = Path(tempfile.mkdtemp(prefix="aegis-"))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def remove_with(owner: object, folder: Path) -> None:
    """Remove `folder` when `owner` is garbage, or when the process exits."""
    remove = partial(_remove, folder, os.getpid())
    try:
        weakref.finalize(owner, remove)
    # A dict, for example: `transformers` returns one for return_type="components".
    except TypeError:
        atexit.register(remove)


def _remove(folder: Path, process: int) -> None:
    # A forked child inherits the finalizer, but its parent still uses the files.
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
