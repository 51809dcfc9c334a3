"""The one error that the embedded platform's code raises for a failure that the user can act on."""

from collections.abc import Sequence
from pathlib import Path


class LocalError(Exception):
    """A failure in words: what was wrong, what was given or found, and what is allowed or needed.

    `log` names the file that holds the failing part's own output, if it has one, and `excerpt` the lines of it that
    tell the reason, where those aren't the last ones. `shown` is set once they have been printed, so that nested steps
    don't print them again.
    """

    def __init__(self, message: str, log: Path | None = None, excerpt: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.log = log
        self.excerpt = excerpt
        self.shown = False

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} (log: {self.log})" if self.log else message
