"""What a check says: nothing is wrong, what is wrong and how to fix it, or why the check could not be made."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad a problem is: users notice an error now, and a warning becomes an error if nobody acts."""

    ERROR = "error"
    WARNING = "warning"


class State(StrEnum):
    """The outcome of a check; `UNKNOWN` if it could not be made, `ABSENT` if there is nothing to check."""

    OK = "ok"
    ERROR = "error"
    WARNING = "warning"
    UNKNOWN = "unknown"
    ABSENT = "absent"


class ProblemError(Exception):
    """Something is wrong: the text says what. `evidence` is what was seen, and `remedy` says what to do."""

    def __init__(self, problem: str, *, evidence: str, remedy: str, severity: Severity = Severity.ERROR) -> None:
        super().__init__(problem)
        self.evidence = evidence
        self.remedy = remedy
        self.severity = severity


class NoAnswerError(Exception):
    """A check could not be made; the text is the reason."""


class NotHereError(Exception):
    """The installation lacks what a check is about; the text says what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The outcome of the check `check`; `detail` says what was found, what is wrong, or why it was not checked."""

    check: str
    state: State
    detail: str
    evidence: str | None = None
    remedy: str | None = None

    @property
    def severity(self) -> Severity | None:
        """How bad it is: None if nothing is wrong. What could not be checked may be wrong, which is a warning."""
        if self.state in (State.OK, State.ABSENT):
            return None
        return Severity.ERROR if self.state is State.ERROR else Severity.WARNING

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return asdict(self) | {"ok": self.severity is None, "severity": self.severity}
