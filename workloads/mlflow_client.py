"""An MLflow server as the workloads use it: its address and credentials checked first, every failure one clear line."""

import errno
import re
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urlsplit

import mlflow
import requests
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from contracts import Env, Exit
from workloads import credentials, messages, services
from workloads.cli import WorkloadError

T = TypeVar("T")

# Sent as it is; a user's password is encoded and may hold anything.
_BEARER: Final = "MLFLOW_TRACKING_TOKEN"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

# Answers of an HTTP server that another attempt may change.
_TIMEOUTS_AND_LIMITS: Final = {408, 425, 429}
_SERVER_ERROR: Final = 500
# What `services` tells apart itself, or what is a message already.
_TOLD_APART: Final = (
    WorkloadError,
    MlflowException,
    BotoCoreError,
    Boto3Error,
    ClientError,
    services.UnavailableError,
    services.RefusedError,
)
# Failures of this machine's own disk: no service is asked for them, and none will mend them.
_LOCAL: Final = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


class Tracking:
    """The MLflow server at `uri`; `given_as` is the variable or option that a message about the address names.

    Raises:
        WorkloadError: The address is none, or a credential in the environment can't be sent.
    """

    def __init__(self, uri: str, given_as: str = Env.TRACKING_URI) -> None:
        credentials.settle(_BEARER)
        services.configure_clients()
        self.uri = _checked(uri, given_as)
        self.name = f"MLflow at {messages.without_credentials(self.uri)}"
        # MLflow resolves `models:/` addresses by the process's server, whatever the client's is.
        mlflow.set_tracking_uri(self.uri)
        try:
            self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        # What a driver of SQLAlchemy raises here is its own.
        except Exception as error:
            raise WorkloadError(f"{given_as}: {self.name} can't be used: {_first_line(error)}", Exit.MLFLOW) from error

    def ask(self, action: Callable[[], T], attempts: int = 5) -> T:
        """Return what `action` gets from the server.

        Raises:
            WorkloadError: The server refuses, gives no answer of MLflow's, or does not answer in `attempts`.
        """
        return services.patiently(lambda: self.once(action), service=self.name, code=Exit.MLFLOW, attempts=attempts)

    def store(self, action: Callable[[], T], location: str, attempts: int = services.PATIENT_ATTEMPTS) -> T:
        """Return what `action` does with the artifacts at `location`.

        Raises:
            WorkloadError: Their store refuses, or does not answer in `attempts`.
        """
        service = f"the artifact store at {messages.without_credentials(location)}"
        return services.patiently(lambda: self.once(action), service=service, code=Exit.OBJECT_STORE, attempts=attempts)

    def once(self, action: Callable[[], T]) -> T:
        """Return `action()`.

        Raises:
            UnavailableError: It failed in a way that may pass.
            RefusedError: It failed for good.
        """
        return services.once(lambda: _settled(action))


def _checked(uri: str, given_as: str) -> str:
    uri = uri.strip()
    try:
        parts = urlsplit(uri)
        # Reading the port is what checks it.
        usable = uri.isprintable() and ((parts.hostname and parts.port != 0) or not parts.scheme.startswith("http"))
    except ValueError:
        usable = False
    if not usable or not _SCHEME.match(uri):
        # What is before an @ may be a password, wherever it stands.
        shown = f"{messages.HIDDEN}@{uri.rpartition('@')[2]}" if "@" in uri else uri
        raise WorkloadError(
            f"{given_as} is {shown!r}: the address of MLflow is expected, such as http://127.0.0.1:5000.", Exit.USAGE
        )
    return uri


def _settled(action: Callable[[], T]) -> T:
    """Return `action()`; a failure that no further attempt can change is refused at once."""
    try:
        return action()
    except _TOLD_APART:
        raise
    except requests.HTTPError as error:
        status = _SERVER_ERROR if error.response is None else error.response.status_code
        if status >= _SERVER_ERROR or status in _TIMEOUTS_AND_LIMITS:
            raise
        raise services.RefusedError(_first_line(error)) from error
    except OSError as error:
        if error.errno not in _LOCAL:
            raise
        raise services.RefusedError(f"{error.filename or 'the disk'}: {error.strerror}") from error
    except Exception as error:
        raise services.RefusedError(
            f"its answer can't be read ({type(error).__name__}: {_first_line(error)})"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
