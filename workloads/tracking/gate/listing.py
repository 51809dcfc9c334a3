"""A folder of artifacts in the store that the tracking server serves from, as the gate lists and reads it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final, Protocol

# In seconds. S3 tells the time of a change in whole seconds, so a second change in the same second can't be seen.
SETTLED_AFTER: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    """A file by its path in the folder, its size in bytes, and what the store tells of its last change."""

    path: str
    size: int
    change: tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """The files of a folder at one moment; `changed` and `taken` are seconds since 1970 by the store's clock."""

    files: tuple[StoredFile, ...]
    changed: float
    taken: float

    @property
    def sizes(self) -> dict[str, int | None]:
        """The sizes in bytes, by path."""
        return {file.path: file.size for file in self.files}

    @property
    def settled(self) -> bool:
        """Whether every later change of a file will show in a later listing."""
        return self.taken - self.changed >= SETTLED_AFTER

    @property
    def fingerprint(self) -> str:
        """A digest of the paths, sizes and changes: another one means that a file may have changed."""
        rows = sorted([file.path, file.size, *file.change] for file in self.files)
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


class ArtifactFolder(Protocol):
    """A folder in an artifact store."""

    def list(self) -> Listing:
        """List all files."""
        ...

    def sha256(self, file: StoredFile) -> str:
        """Read a file of the last listing and return its SHA-256 in hex."""
        ...
