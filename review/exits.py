"""Exit codes of the review's commands, and the error that ends a command with one."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, by which a workflow tells why it was stopped."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    # The preview or the update failed, or a mandatory policy is violated.
    FAILED = 3
    # Data would be replaced or deleted, and no label or flag allows it.
    DATA_LOSS = 4
    # The environment differs from its stack.
    DRIFT = 5
    # GitHub's API refused or didn't answer.
    GITHUB = 6


class ReviewError(Exception):
    """A failure with a message for the user and the exit code of the command."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code
