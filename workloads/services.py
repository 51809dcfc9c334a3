"""Requests to MLflow and its artifact store: what may work later is tried again, what never will is told at once."""

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

# About two minutes with the waits of `retry`: a server whose pod was killed is back by then, on a busy node too.
PATIENT_ATTEMPTS: Final = 18

# A role's credentials that have run out are no denial: botocore renews them.
_DENIALS = {"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"}

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500

# The clients' own retries would take minutes, silently; those of `retry` are told.
_CLIENT_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "AWS_MAX_ATTEMPTS": "2",
}


class UnavailableError(Exception):
    """The service does not answer now, and may later."""


class RefusedError(Exception):
    """The service answered, and will never take it."""


def configure_clients() -> None:
    """Have the clients of MLflow and S3 fail early, unless the environment says otherwise."""
    for name, value in _CLIENT_SETTINGS.items():
        os.environ.setdefault(name, value)


def once(action: Callable[[], T]) -> T:
    """Return `action()`.

    Raises:
        UnavailableError: It failed in a way that may pass.
        RefusedError: It failed for good.
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
    # What the clients make of an answer or an address that they can't take apart.
    except (ArithmeticError, AttributeError, LookupError, ParseError, RecursionError, TypeError, ValueError) as error:
        raise RefusedError(f"there was no sense in what came back ({type(error).__name__}: {error})") from error


def patiently(action: Callable[[], T], *, service: str, code: Exit, attempts: int = PATIENT_ATTEMPTS) -> T:
    """Return `action()`, trying again while `service` does not answer.

    Raises:
        WorkloadError: It refuses, or does not answer in `attempts`; exits with `code`.
    """
    try:
        return retry.call(
            lambda: once(action), service=service, code=code, transient=(UnavailableError,), attempts=attempts
        )
    except RefusedError as error:
        raise WorkloadError(f"{service} refuses: {error}", code) from error


def _denied(error: BaseException) -> bool:
    """Tell whether AWS refuses for want of a permission."""
    root = _root(error)
    return isinstance(root, ClientError) and aws.code(root) in _DENIALS


def _reason(error: BaseException) -> str:
    root = _root(error)
    return aws.reason(root) if isinstance(root, Exception) else type(root).__name__


def _root(error: BaseException) -> BaseException:
    """Return what is at the root of `error`: clients wrap "Connection refused" several times."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error
