"""The error of the embedded platform for every failure that the user can act on."""

from collections.abc import Sequence
from pathlib import Path


class LocalError(Exception):
    """A failure whose message says what is wrong, what was found, and what is allowed or needed.

    `log` is the file with the failing part's own output, if it has one. `excerpt` holds the lines that explain the
    failure, if those are not the last lines of the log. `shown` is set once they have been printed, so that nested
    steps don't print them again.
    """

    def __init__(self, message: str, log: Path | None = None, excerpt: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.log = log
        self.excerpt = excerpt
        self.shown = False

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} (log: {self.log})" if self.log else message
