"""The progress of a long transfer on stderr: a bar on a terminal, a line every 10 s in a log."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

from tqdm import tqdm

# A transfer that is done within this time logs nothing.
LOG_INTERVAL_SECONDS: Final = 10.0
_LINE: Final = "{desc}: {n_fmt}{unit} of {total_fmt}{unit}, {elapsed}, {rate_fmt}"
_LINE_WITHOUT_TOTAL: Final = "{desc}: {n_fmt}{unit}, {elapsed}, {rate_fmt}"


class _Log:
    """A text file in which every state of a bar is a separate line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write one state, without the control characters that redraw it on a terminal."""
        if line := text.strip():
            self._stream.write(f"{line}\n")

    def flush(self) -> None:
        """Flush the file."""
        self._stream.flush()


@contextmanager
def bar(label: str, total: int | None = None) -> Iterator["tqdm[Any]"]:
    """Show the progress of `label`: call `update` with each number of bytes; `total` is in bytes, None if unknown."""
    unit = {"unit": "B", "unit_scale": True}
    if sys.stderr.isatty():
        shown = tqdm(desc=label, total=total, leave=False, **unit)
    else:
        shown = tqdm(
            desc=label,
            total=total,
            file=_Log(sys.stderr),
            bar_format=_LINE if total else _LINE_WITHOUT_TOTAL,
            delay=LOG_INTERVAL_SECONDS,
            mininterval=LOG_INTERVAL_SECONDS,
            # A fixed number keeps tqdm from starting a monitoring thread.
            miniters=1,
            **unit,
        )
    with shown:
        yield shown
