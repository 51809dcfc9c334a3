"""The workloads' client of MLflow: it checks address and credentials first, and turns every failure into one line."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import mlflow
import requests
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from aegis.errors import NotVerifiedError
from contracts import Env, Exit
from workloads import credentials, messages, services, sqlite_file, tracking_folder
from workloads.cli import WorkloadError

T = TypeVar("T")

# Sent unencoded, unlike a user's password, which may contain any character.
_BEARER: Final = "MLFLOW_TRACKING_TOKEN"
# MLflow takes others for a folder, such as the `x` of `x:PASSWORD@host`, and would create it.
_SCHEMES: Final = {"http", "https", "file", "sqlite", "postgresql", "mysql", "mssql"}

_MISSING: Final = "RESOURCE_DOES_NOT_EXIST"
# HTTP statuses of transient failures.
_TIMEOUTS_AND_LIMITS: Final = {408, 425, 429}
_SERVER_ERROR: Final = 500
# Errors that `services` classifies itself, or that are classified already.
_CLASSIFIED: Final = (
    WorkloadError,
    NotVerifiedError,
    MlflowException,
    BotoCoreError,
    Boto3Error,
    ClientError,
    services.UnavailableError,
    services.RefusedError,
)
# Failures of the local disk, which no retry of a request can repair.
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
    """A client of MLflow at `uri`: a tracking server, a database or a folder.

    Error messages name the variable or option `given_as` as the source of `uri`. A folder or SQLite file that does not
    exist is created only if `create` is set: to a command that reads, a wrong path is an error.

    Raises:
        WorkloadError: The address is invalid, or a credential in the environment can't be sent.
    """

    def __init__(self, uri: str, given_as: str = Env.TRACKING_URI, *, create: bool = False) -> None:
        credentials.settle(_BEARER)
        services.configure_clients()
        self.uri, self.folder = _located(uri.strip(), given_as, create=create)
        self.name = f"MLflow at {messages.without_credentials(self.uri)}"
        # MLflow resolves `models:/` addresses at the process-wide server, not at the client's.
        mlflow.set_tracking_uri(self.uri)
        try:
            self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        # Each of SQLAlchemy's drivers raises other error classes.
        except Exception as error:
            raise WorkloadError(f"{given_as}: {self.name} can't be used: {_first_line(error)}", Exit.MLFLOW) from error

    def ask(self, action: Callable[[], T], attempts: int = 5) -> T:
        """Return the result of `action`, which sends requests to the server.

        Raises:
            WorkloadError: The server refuses, its answer is not MLflow's, or it does not answer within `attempts`.
        """
        return services.patiently(lambda: self.once(action), service=self.name, code=Exit.MLFLOW, attempts=attempts)

    def store(self, action: Callable[[], T], location: str, attempts: int = services.PATIENT_ATTEMPTS) -> T:
        """Return the result of `action`, which reads or writes the artifacts at `location`.

        Raises:
            WorkloadError: The artifact store refuses, or does not answer within `attempts`.
        """
        service = f"the artifact store at {messages.without_credentials(location)}"
        return services.patiently(lambda: self.once(action), service=service, code=Exit.OBJECT_STORE, attempts=attempts)

    def once(self, action: Callable[[], T]) -> T:
        """Return the result of `action` without retries.

        Raises:
            UnavailableError: The failure is transient.
            RefusedError: The failure is permanent.
        """
        return services.once(lambda: _classified(action))


def _located(uri: str, given_as: str, *, create: bool) -> tuple[str, Path | None]:
    """Return the address for MLflow's client, and the folder if it is one."""
    try:
        folder = tracking_folder.folder_of(uri) if uri.isprintable() else None
        if folder is not None:
            return tracking_folder.prepare(folder, create=create), folder
        if (file := sqlite_file.file_of(_checked(uri, given_as))) is not None:
            sqlite_file.prepare(file, create=create)
    except ValueError as error:
        raise WorkloadError(f"{given_as}: {error}.", Exit.USAGE) from error
    return uri, None


def _checked(uri: str, given_as: str) -> str:
    try:
        parts = urlsplit(uri)
        # urlsplit checks the port only when it is read.
        usable = uri.isprintable() and ((parts.hostname and parts.port != 0) or not parts.scheme.startswith("http"))
    except ValueError:
        usable = False
    if not usable or uri.partition(":")[0].partition("+")[0].lower() not in _SCHEMES:
        # Text before an @ may be a password, wherever the @ is.
        shown = f"{messages.HIDDEN}@{uri.rpartition('@')[2]}" if "@" in uri else uri
        raise WorkloadError(
            f"{given_as} must be the address of MLflow, such as http://127.0.0.1:5000, sqlite:///mlflow.db or "
            f"file:./mlruns, got {shown!r}.",
            Exit.USAGE,
        )
    return uri


def or_none(action: Callable[[], T]) -> T | None:
    """Return the result of `action`, or None if MLflow has no such thing."""
    try:
        return action()
    except MlflowException as error:
        if error.error_code != _MISSING:
            raise
        return None


def _classified(action: Callable[[], T]) -> T:
    """Return the result of `action`; raise `RefusedError` for failures that no retry can change."""
    try:
        return action()
    except _CLASSIFIED:
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
