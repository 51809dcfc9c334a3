"""Artifacts in a local folder of the tracking server."""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aegis.errors import NotVerifiedError
from workloads.tracking.gate.listing import Listing, StoredFile


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A local folder; symbolic links and special files in it are refused."""

    path: Path

    def list(self) -> Listing:
        """List all files.

        Raises:
            NotVerifiedError: Something in it is not a regular file.
        """
        taken = time.time()
        entries = list(_files(self.path, "")) if self.path.is_dir() else []
        return Listing(
            files=tuple(
                StoredFile(
                    path=path,
                    size=status.st_size,
                    # Programs can set the time of modification back, but not st_ctime.
                    change=(status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev),
                )
                for path, status in entries
            ),
            changed=max((status.st_ctime for _, status in entries), default=0),
            taken=taken,
        )

    def sha256(self, file: StoredFile) -> str:
        """Return the SHA-256 of a file in hex."""
        with (self.path / file.path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _files(folder / entry.name, f"{path}/")
            elif entry.is_file(follow_symlinks=False):
                yield path, entry.stat(follow_symlinks=False)
            else:
                raise NotVerifiedError(f"{path} is not a regular file")
