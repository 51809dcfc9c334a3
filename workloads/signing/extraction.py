"""Extract an archive into a hidden directory, which gets its name only when every file in it is verified."""

import os
import secrets
import shutil
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self

from aegis.manifest import PackedFile
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.signing.archive import FILE_MODE
from workloads.signing.staging import written
from workloads.signing.workers import Worker


class Nowhere:
    """A target that extracts nothing."""

    def write(self, file: PackedFile, piece: memoryview) -> None:
        """Drop the piece."""

    def finish(self) -> None:
        """Do nothing."""


class Extraction:
    """A target that extracts to `directory`, which must be missing or empty; without `finish` nothing is left.

    An existing directory, such as a mount point, is kept: the files are prepared inside it.

    Raises:
        WorkloadError: `directory` is not empty or can't be written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with written(directory):
            self._inside = directory.is_dir()
        part = f".aegis.{secrets.token_hex(8)}.part"
        self._part = directory / part if self._inside else directory.with_name(part)
        self._writer = Worker("write-files")
        self._current: PackedFile | None = None
        self._stream: BinaryIO | None = None

    def __enter__(self) -> Self:
        with written(self._directory):
            self._check_empty()
            self._part.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        with self._writer:
            pass
        self._close()
        shutil.rmtree(self._part, ignore_errors=True)

    def write(self, file: PackedFile, piece: memoryview) -> None:
        """Append `piece` to `file`; all pieces of a file must come in a row."""
        with written(self._directory):
            self._writer.do(partial(self._append, file, piece))

    def finish(self) -> None:
        """Give the directory its name, because everything in it is verified."""
        with written(self._directory):
            self._writer.finish()
            self._close()
            if self._inside:
                self._check_empty()
                self._move_entries()
            else:
                self._part.rename(self._directory)

    def _check_empty(self) -> None:
        existing = set(self._directory.iterdir()) if self._inside else self._directory.exists()
        if existing and existing != {self._part}:
            raise WorkloadError(f"{self._directory} exists and is not empty: extract to a new directory.", Exit.USAGE)

    def _move_entries(self) -> None:
        """Move every verified file and folder out of the hidden directory, or none."""
        waiting = [entry.name for entry in self._part.iterdir()]
        moved: list[str] = []
        try:
            while waiting:
                (self._part / waiting[-1]).rename(self._directory / waiting[-1])
                moved.append(waiting.pop())
        except OSError:
            for name in moved:
                (self._directory / name).rename(self._part / name)
            raise

    def _append(self, file: PackedFile, piece: memoryview) -> None:
        if file is not self._current:
            self._close()
            self._stream = self._create(file)
            self._current = file
        while self._stream is not None and piece:
            piece = piece[os.write(self._stream.fileno(), piece) :]

    def _create(self, file: PackedFile) -> BinaryIO:
        path = self._part / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(path, flags, FILE_MODE), "wb", buffering=0)

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
