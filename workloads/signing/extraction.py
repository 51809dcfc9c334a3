"""Writes the files of an archive into a hidden directory, which gets its name only when all of them are verified."""

import os
import secrets
import shutil
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.signing.archive import FILE_MODE, PackedFile
from workloads.signing.staging import written
from workloads.signing.workers import Worker


class Nowhere:
    """Extracts nothing."""

    def write(self, file: PackedFile, piece: memoryview) -> None:
        """Drop the piece."""

    def finish(self) -> None:
        """Do nothing."""


class Extraction:
    """Extracts to `directory`, which must not exist or be empty; unless `finish` is reached nothing is left.

    A directory that is there stays the one that it is, such as a mount point: the files are made ready inside of it.

    Raises:
        WorkloadError: `directory` is not empty, or it can't be written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._part = directory
        self._writer = Worker("write-files")
        self._current: PackedFile | None = None
        self._stream: BinaryIO | None = None

    def __enter__(self) -> Self:
        with written(self._directory):
            part = f".aegis.{secrets.token_hex(8)}.part"
            if self._is_there():
                self._check_holds_only()
                self._part = self._directory / part
            else:
                self._part = self._directory.with_name(part)
            self._part.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        with self._writer:
            pass
        self._close()
        shutil.rmtree(self._part, ignore_errors=True)

    def write(self, file: PackedFile, piece: memoryview) -> None:
        """Append `piece` to `file`, whose pieces come one after the other."""
        with written(self._directory):
            self._writer.do(partial(self._append, file, piece))

    def finish(self) -> None:
        """Give the directory its name: everything in it is verified."""
        with written(self._directory):
            self._writer.finish()
            self._close()
            if self._part.parent == self._directory:
                self._check_holds_only(self._part)
                self._move_entries()
            else:
                self._part.rename(self._directory)

    def _is_there(self) -> bool:
        try:
            self._directory.stat()
        except FileNotFoundError:
            return False
        return True

    def _check_holds_only(self, *expected: Path) -> None:
        if not self._directory.is_dir() or set(self._directory.iterdir()) - set(expected):
            raise WorkloadError(f"{self._directory} exists and is not empty: extract to a new directory.", Exit.USAGE)

    def _move_entries(self) -> None:
        """Bring each verified file and folder out of the hidden one, or none of them."""
        moved: list[Path] = []
        try:
            for entry in list(self._part.iterdir()):
                moved.append(entry.rename(self._directory / entry.name))
            self._part.rmdir()
        except OSError:
            for entry in moved:
                entry.rename(self._part / entry.name)
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
