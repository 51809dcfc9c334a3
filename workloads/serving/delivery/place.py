"""The folder of a delivery: what is there, and how a new model appears in it at once."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts import Exit
from workloads.cli import WorkloadError, file_error
from workloads.serving.delivery.delivered import EVIDENCE, MODEL, VERSION_FILE

# The folder of what isn't complete, and of the lock. It is on the same volume, so that files can be moved from it.
_HIDDEN: Final = ".delivery"
_LOCK: Final = "lock"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The folder of a delivery, which this process alone writes."""

    folder: Path

    @property
    def model(self) -> Path:
        """The folder of the model's files."""
        return self.folder / MODEL

    @property
    def scratch(self) -> Path:
        """The folder of files that aren't verified yet."""
        return self.folder / _HIDDEN / "new"

    @property
    def _version_file(self) -> Path:
        return self.folder / EVIDENCE / VERSION_FILE

    def is_delivered(self) -> bool:
        """Return whether a delivery was finished here.

        Raises:
            WorkloadError: The folder has a model that no delivery brought.
        """
        exists = os.path.lexists(self.model)
        if exists and not self._version_file.is_file():
            raise WorkloadError(
                f"{self.model} exists and is not from a delivery: deliver to another folder, or remove it.", Exit.USAGE
            )
        return exists

    def put_evidence(self, content: bytes) -> None:
        """Write or replace the evidence at once."""
        new = self.folder / _HIDDEN / VERSION_FILE
        self._version_file.parent.mkdir(exist_ok=True)
        with new.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self._version_file)

    def put_model(self) -> None:
        """Move the verified files from `scratch` into place, after the evidence: a model without it isn't ours."""
        # After a crash of the machine, a file must not be in place and empty.
        os.sync()
        self.scratch.rename(self.model)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[Place]:
    """Give the folder of a delivery, which is made if it doesn't exist, to this process alone.

    What a killed delivery left is removed, as is what is unfinished at the end.

    Raises:
        WorkloadError: Another delivery writes to it, or it can't be written.
    """
    place = Place(folder=folder.absolute())
    try:
        (place.folder / _HIDDEN).mkdir(parents=True, exist_ok=True)
        with (place.folder / _HIDDEN / _LOCK).open("wb") as lock:
            _take(lock.fileno(), folder)
            shutil.rmtree(place.scratch, ignore_errors=True)
            try:
                yield place
            finally:
                shutil.rmtree(place.scratch, ignore_errors=True)
    except OSError as error:
        raise file_error(error.filename or folder, "written", error) from error


def _take(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WorkloadError(f"Another delivery to {folder} is running.", Exit.CONFLICT) from error
