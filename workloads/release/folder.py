"""The releases in a folder, for a laptop without an object store."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts import Exit
from workloads.cli import WorkloadError

_PARTIAL: Final = ".partial"


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """A `ReleaseStore` in the folder `root`, which is created when it is first used."""

    root: Path

    def folder(self, model: str, sha256: str, owner: str | None = None) -> str:
        """Return the folder of a release; `owner` separates releases of the same bytes by different models."""
        return f"{model}/{sha256}-{owner}" if owner else f"{model}/{sha256}"

    def folders(self, model: str) -> Iterator[str]:
        """Return the folders of a model."""
        with self._errors():
            found = sorted((self.root / model).iterdir()) if (self.root / model).is_dir() else []
        yield from (f"{model}/{path.name}" for path in found if path.is_dir())

    def names(self, folder: str, after: str = "") -> Iterator[str]:
        """Return the sorted names of the files in a folder, from the one that follows `after`."""
        with self._errors():
            found = [path.name for path in (self.root / folder).iterdir()] if (self.root / folder).is_dir() else []
        yield from (name for name in sorted(found) if name > after and not name.endswith(_PARTIAL))

    def uri(self, folder: str, name: str) -> str:
        """Return the address of a file."""
        return (self.root / folder / name).as_uri()

    def check(self) -> None:
        """Create the folder, to find a disk that can't be written before the work starts."""
        with self._errors():
            self.root.mkdir(parents=True, exist_ok=True)

    def size(self, folder: str, name: str) -> int | None:
        """Return the size of a stored file in bytes, or None if it is missing."""
        with self._errors():
            try:
                return (self.root / folder / name).stat().st_size
            except FileNotFoundError:
                return None

    def read(self, folder: str, name: str, most: int | None = None) -> bytes | None:
        """Return the content of a small stored file, at most its first `most` bytes, or None if it is missing."""
        with self._errors():
            try:
                with (self.root / folder / name).open("rb") as stream:
                    return stream.read(-1 if most is None else most)
            except FileNotFoundError:
                return None

    def create(self, folder: str, name: str, content: bytes) -> bool:
        """Write a small file unless one of that name exists; return whether this call wrote it.

        A hard link fails if its name exists, and shows the file only when all of it is on the disk.
        """
        target = self.root / folder / name
        with self._errors(), self._partial(target, lambda partial: partial.write_bytes(content)) as partial:
            try:
                target.hardlink_to(partial)
            except FileExistsError:
                return False
        return True

    def upload(self, folder: str, files: Sequence[Path]) -> None:
        """Copy `files` in order, each completely or not at all."""
        for path in files:
            target = self.root / folder / path.name
            with (
                self._errors(),
                self._partial(target, lambda partial, path=path: shutil.copyfile(path, partial)) as partial,
            ):
                partial.replace(target)

    def download(self, folder: str, path: Path) -> None:
        """Copy the file of the same name to `path`."""
        with self._errors():
            shutil.copyfile(self.root / folder / path.name, path)

    @contextmanager
    def _partial(self, target: Path, write: Callable[[Path], object]) -> Iterator[Path]:
        """Write a temporary file beside `target`, flush it to the disk, and remove it at the end."""
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{uuid.uuid4().hex}{_PARTIAL}")
        try:
            write(partial)
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = f"{error.filename or self.root}: {error.strerror or error}"
            raise WorkloadError(f"the releases in {self.root} can't be used: {reason}", Exit.OBJECT_STORE) from error
