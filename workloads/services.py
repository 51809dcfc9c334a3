"""Requests to MLflow and its artifact store: transient failures are retried, permanent ones reported at once."""

import os
from collections.abc import Callable
from typing import Final, TypeVar

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf.json_format import ParseError
from mlflow.exceptions import MlflowException

from contracts import Exit
from workloads import aws, retry
from workloads.cli import WorkloadError

T = TypeVar("T")

# About two minutes with the waits of `retry`: enough for a killed pod to restart, even on a busy node.
PATIENT_ATTEMPTS: Final = 18

# Expired credentials of a role are not among them: botocore renews those.
_DENIALS = {"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"}

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500

# The clients' own retries would take minutes without a word; `retry` logs each of its waits.
_CLIENT_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "AWS_MAX_ATTEMPTS": "2",
}


class UnavailableError(Exception):
    """A transient failure of a service."""


class RefusedError(Exception):
    """A permanent refusal by a service."""


def configure_clients() -> None:
    """Make the clients of MLflow and S3 fail early, unless the environment says otherwise."""
    for name, value in _CLIENT_SETTINGS.items():
        os.environ.setdefault(name, value)


def once(action: Callable[[], T]) -> T:
    """Return the result of `action`, with its errors classified.

    Raises:
        UnavailableError: The failure is transient.
        RefusedError: The failure is permanent.
    """
    try:
        return action()
    except MlflowException as error:
        status = error.get_http_status_code()
        kind = UnavailableError if status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS else RefusedError
        raise kind(_reason(error)) from error
    except (BotoCoreError, Boto3Error, ClientError, OSError) as error:
        kind = RefusedError if _denied(error) else UnavailableError
        raise kind(_reason(error)) from error
    # The clients raise these on a response or an address that they can't parse.
    except (ArithmeticError, AttributeError, LookupError, ParseError, RecursionError, TypeError, ValueError) as error:
        raise RefusedError(f"its response can't be parsed ({type(error).__name__}: {error})") from error


def patiently(action: Callable[[], T], *, service: str, code: Exit, attempts: int = PATIENT_ATTEMPTS) -> T:
    """Return the result of `action`, retried while `service` does not answer.

    Raises:
        WorkloadError: `service` refuses, or does not answer within `attempts`; its exit code is `code`.
    """
    try:
        return retry.call(
            lambda: once(action), service=service, code=code, transient=(UnavailableError,), attempts=attempts
        )
    except RefusedError as error:
        raise WorkloadError(f"{service} refuses: {error}", code) from error


def _denied(error: BaseException) -> bool:
    """Return whether AWS denies a permission."""
    root = _root(error)
    return isinstance(root, ClientError) and aws.code(root) in _DENIALS


def _reason(error: BaseException) -> str:
    root = _root(error)
    return aws.reason(root) if isinstance(root, Exception) else type(root).__name__


def _root(error: BaseException) -> BaseException:
    """Return the root cause of `error`: clients wrap "Connection refused" several times."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error
