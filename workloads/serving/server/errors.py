"""The errors of a request, each with the HTTP status of its answer."""

from http import HTTPStatus
from typing import Final

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR

from workloads import messages

# MLflow quotes the input before the reason.
_REASON: Final = ". Error: "


class RequestError(Exception):
    """A request that can't be answered; its text tells the caller why."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(messages.plain(message))
        self.status = status


class ModelFailedError(MlflowException):
    """The model's own code raised `error`, which is no refusal of an input."""

    def __init__(self, error: Exception) -> None:
        reason = messages.plain(f"{type(error).__name__}: {error}")
        super().__init__(f"The model failed: {reason}", INTERNAL_ERROR)


def status_of(error: MlflowException) -> int:
    """Return the HTTP status of an error of MLflow."""
    return int(error.get_http_status_code())


def reason_of(error: MlflowException) -> str:
    """Return the reason of an error of MLflow in one line, without the input that MLflow quotes."""
    return messages.plain(error.message.rpartition(_REASON)[2] or error.message)
