"""The place of the releases and of the decisions about them: a bucket, or a folder on a laptop.

Keys are `<model>/<SHA-256 of the archive>/<file>` for releases, whose manifest is written last: a release without one
doesn't count. Decisions are in `<model>/decisions`, see `workloads.registry.decisions`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from contracts import Env, Exit
from workloads import tracking_folder
from workloads.cli import WorkloadError, require_env
from workloads.release.bucket import Bucket
from workloads.release.folder import Folder


class ReleaseStore(Protocol):
    """Stores files in folders; every method raises `WorkloadError` with `Exit.OBJECT_STORE` if the store is dead."""

    def folder(self, model: str, sha256: str, owner: str | None = None) -> str:
        """Return the folder of a release; `owner` separates releases of the same bytes by different models."""
        ...

    def folders(self, model: str) -> Iterator[str]:
        """Return the folders of a model."""
        ...

    def names(self, folder: str, after: str = "") -> Iterator[str]:
        """Return the sorted names of the files in a folder, from the one that follows `after`."""
        ...

    def uri(self, folder: str, name: str) -> str:
        """Return the address of a file."""
        ...

    def check(self) -> None:
        """Find a dead store before the work starts."""
        ...

    def size(self, folder: str, name: str) -> int | None:
        """Return the size of a stored file in bytes, or None if it is missing."""
        ...

    def read(self, folder: str, name: str, most: int | None = None) -> bytes | None:
        """Return the content of a small stored file, at most its first `most` bytes, or None if it is missing."""
        ...

    def create(self, folder: str, name: str, content: bytes) -> bool:
        """Write a small file completely unless one of that name exists; return whether this call wrote it."""
        ...

    def upload(self, folder: str, files: Sequence[Path]) -> None:
        """Upload `files` in order, each completely or not at all."""
        ...

    def download(self, folder: str, path: Path) -> None:
        """Download the file of the same name to `path`."""
        ...


def from_environment() -> ReleaseStore:
    """Return the store of the environment variables: the bucket's and those of boto3, or a folder.

    A value that starts with `file:` or contains a slash is a folder.

    Raises:
        WorkloadError: The variable is not set, or a `file:` address names another machine or no path (`Exit.USAGE`).
    """
    place = require_env(Env.RELEASES_BUCKET, "the bucket of the releases, or a folder such as file:./releases")
    # A bucket's name has neither a colon nor a slash.
    if place.startswith("file:"):
        try:
            folder = tracking_folder.folder_of(place)
        except ValueError as error:
            raise WorkloadError(f"{Env.RELEASES_BUCKET}: {error}", Exit.USAGE) from error
    else:
        folder = Path(place).absolute() if "/" in place else None
    return Bucket.connect(place) if folder is None else Folder(root=folder)
