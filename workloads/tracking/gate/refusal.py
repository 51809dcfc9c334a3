"""The gate's answers to a client whose request it doesn't let through."""

from enum import StrEnum

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, TEMPORARILY_UNAVAILABLE


class Remedy(StrEnum):
    """What the client can do."""

    SIGN = (
        "Release the model with `python -m workloads.release.run`, "
        "or promote a signed version with `python -m workloads.registry promote`."
    )
    RESTORE = (
        "Restore the files as they were signed, or release the model again with `python -m workloads.release.run`."
    )
    REGISTER = "Register the model from the artifacts of its run on this tracking server, and release it."
    ASK = "Ask the operators of the tracking server."


class RefusedError(Exception):
    """A version that doesn't get a guarded alias or stage; the text is the reason."""

    def __init__(self, reason: str, remedy: Remedy) -> None:
        super().__init__(reason)
        self.remedy = remedy


class UnfinishedError(Exception):
    """A check that can't be finished now; the text is the reason."""


def denied(subject: str, favour: str, refused: RefusedError) -> MlflowException:
    """Return the error (403) for `subject`, such as "digits version 3", that doesn't get `favour`."""
    return MlflowException(_line(f"{subject} can't get {favour}: {refused}. {refused.remedy}"), PERMISSION_DENIED)


def unfinished(subject: str, favour: str, reason: UnfinishedError) -> MlflowException:
    """Return the error (503), after which MLflow's clients try again."""
    return MlflowException(_line(f"{subject} can't get {favour} yet: {reason}. Try again."), TEMPORARILY_UNAVAILABLE)


def _line(text: str) -> str:
    """Escape line breaks and other control characters, which the names of stored files may hold."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
