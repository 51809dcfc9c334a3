"""How a command of the review ends."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, so that a workflow tells why it was stopped."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    # The preview or the update failed, or a mandatory policy is violated.
    FAILED = 3
    # Data would be replaced or deleted, and nobody has allowed it.
    DATA_LOSS = 4
    # The environment isn't what its stack says.
    DRIFT = 5
    # GitHub's API refused, or didn't answer.
    GITHUB = 6


class ReviewError(Exception):
    """A failure in words, with the exit code that it ends the command with."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code
