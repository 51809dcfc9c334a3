"""Bytes and seconds of a long transfer on stderr: one line that is rewritten on a terminal, plain lines in a log."""

import sys
import time
from typing import Self

TERMINAL_INTERVAL_SECONDS = 0.2
LOG_INTERVAL_SECONDS = 10.0
_UNIT = 1000


def human(size: float) -> str:
    """Return `size` bytes as a reader wants it, such as "1.2 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < _UNIT:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _UNIT
    return f"{size:.1f} TB"


class Progress:
    """Counts bytes of one pass, `label`, out of `total` where that is known."""

    def __init__(self, label: str, total: int | None = None) -> None:
        self._label = label
        self._total = total
        self._bytes = 0
        self._start = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._interval = TERMINAL_INTERVAL_SECONDS if self._terminal else LOG_INTERVAL_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or self._bytes:
            self._show(end="\n")

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._start

    def add(self, size: int) -> None:
        """Count `size` more bytes."""
        self._bytes += size
        if time.monotonic() - self._shown >= self._interval:
            self._show(end="" if self._terminal else "\n")

    def _show(self, end: str) -> None:
        self._shown = time.monotonic()
        total = f" of {human(self._total)}" if self._total else ""
        line = f"{self._label}: {human(self._bytes)}{total}, {self.seconds:.1f} s"
        print(f"\r\x1b[K{line}" if self._terminal else line, end=end, file=sys.stderr, flush=True)
