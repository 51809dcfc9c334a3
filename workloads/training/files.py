"""Files that appear whole or not at all."""

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
    """Return the content of `path`, or None where there is no such file.

    Raises:
        WorkloadError: It can't be read, or holds no JSON object.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WorkloadError(f"{path} can't be read: {error.strerror}.", Exit.USAGE) from error
    except (ValueError, RecursionError) as error:
        raise not_ours(path, f"it is no JSON ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise not_ours(path, "it holds no JSON object")
    return content


def not_ours(path: Path, reason: str) -> WorkloadError:
    """Return what to raise for a file that is not as a training writes it."""
    return WorkloadError(
        f"{path} is damaged: {reason}. Remove it to go on without it, or use another --out-dir.", Exit.USAGE
    )


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 in hex of each file below `folder`, by its path in it."""
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
