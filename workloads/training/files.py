"""Atomic writes of files and folders, and the lock on an output folder."""

import fcntl
import hashlib
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
    """Write `content` to `path` atomically."""
    partial = path.with_name(f"{path.name}{PARTIAL}")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    sync(partial)
    partial.replace(path)


def claim_folder(folder: Path) -> IO[str]:
    """Create `folder` and lock it until the returned file is closed.

    Raises:
        WorkloadError: Another process holds the lock, or the folder isn't writable.
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
    """Return the content of `path`, or None if the file doesn't exist.

    Raises:
        WorkloadError: The file can't be read, or isn't a JSON object.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WorkloadError(f"{path} can't be read: {error.strerror}.", Exit.USAGE) from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it isn't JSON ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise damaged(path, "it isn't a JSON object")
    return content


def damaged(path: Path, reason: str) -> WorkloadError:
    """Return the error to raise for a file that is not in the trainer's format."""
    return WorkloadError(
        f"{path} is damaged: {reason}. Remove it to continue without it, or use another --out-dir.", Exit.USAGE
    )


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 in hex of each file below `folder`, by its relative path."""
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def publish_folder(partial: Path, final: Path) -> None:
    """Rename the finished folder `partial` to `final` once its content is on disk."""
    for path in sorted(partial.rglob("*")):
        sync(path)
    sync(partial)
    remove_folder(final)
    partial.rename(final)
    sync(final.parent)


def remove_folder(folder: Path) -> None:
    """Remove `folder`; rename it first, so that a killed removal leaves no half of it under its name."""
    if folder.exists():
        shutil.rmtree(folder.rename(folder.with_name(f"{folder.name}{REMOVED}")))


def remove_leftovers(folder: Path) -> None:
    """Remove the folders in `folder` that a killed process left partly written or partly removed."""
    for path in folder.iterdir():
        if path.is_dir() and path.name.endswith((PARTIAL, REMOVED)):
            shutil.rmtree(path)


def sync(path: Path) -> None:
    """Flush `path`, a file or a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
