"""Files that appear whole or not at all."""

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import IO, Any

from contracts import Exit
from workloads.cli import WorkloadError

_LOCK_FILE = ".lock"
PARTIAL = ".partial"
REMOVED = ".removed"


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` to `path`; a reader sees the old file or the new one, never a part."""
    partial = path.with_name(f"{path.name}{PARTIAL}")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    sync(partial)
    partial.replace(path)


def claim_folder(folder: Path) -> IO[str]:
    """Make `folder` and keep other processes from claiming it until the file returned is closed.

    Raises:
        WorkloadError: Another process has it, or it can't be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK_FILE).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WorkloadError(
            f"another training uses {folder}: wait for it, or use another folder.", Exit.USAGE
        ) from error
    except OSError as error:
        raise WorkloadError(f"{folder} can't be written to: {error.strerror}.", Exit.USAGE) from error
    return lock


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of `path`, or None where there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def publish_folder(partial: Path, final: Path) -> None:
    """Make the finished folder `partial` appear as `final`, on disk before it has that name."""
    for path in sorted(partial.rglob("*")):
        sync(path)
    sync(partial)
    remove_folder(final)
    partial.rename(final)
    sync(final.parent)


def remove_folder(folder: Path) -> None:
    """Remove `folder`; it loses its name first, so that half of it never counts."""
    if folder.exists():
        shutil.rmtree(folder.rename(folder.with_name(f"{folder.name}{REMOVED}")))


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left in `folder` half written or half removed."""
    for path in folder.iterdir():
        if path.is_dir() and path.name.endswith((PARTIAL, REMOVED)):
            shutil.rmtree(path)


def sync(path: Path) -> None:
    """Have `path`, a file or a folder, on disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
