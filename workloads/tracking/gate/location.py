"""Find the artifact folder that a version's address means, for the tracking server and for every client alike.

MLflow's clients and handlers parse addresses in several ways. So only one literal form is accepted for each kind of
store, and an address or a file path that one of them could rewrite is refused.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.exceptions import MlflowException
from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, ARTIFACTS_DESTINATION_ENV_VAR, SERVE_ARTIFACTS_ENV_VAR
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import validate_path_is_safe

from workloads.tracking.gate.bucket_folder import BucketFolder
from workloads.tracking.gate.listing import ArtifactFolder
from workloads.tracking.gate.local_folder import LocalFolder
from workloads.tracking.gate.refusal import RefusedError, Remedy

_PROXIED: Final = "mlflow-artifacts:/"
_BUCKET: Final = "s3://"
_FILE: Final = "file://"
_LOCAL: Final = ("", "file")
# They change the meaning of a path where it becomes part of a URL.
_AMBIGUOUS: Final = frozenset("%?#;\\")
_NOT_PLAIN: Final = "its path is not plain"


def locate(address: str) -> ArtifactFolder:
    """Return the folder with the files of a version.

    Raises:
        RefusedError: The files aren't in a store that the gate can list.
    """
    if not address.isprintable() or address != address.strip():
        raise _refused(address, "it holds a control character, or a blank at an end")
    if address.startswith(_PROXIED):
        return _proxied(address)
    if address.startswith((_BUCKET, _FILE, "/")):
        return _direct(address)
    kind = address.partition(":")[0]
    raise _refused(address, f"the gate can't list a store of the kind {kind!r}, only S3 and local folders")


def check_paths(address: str, paths: Iterable[str]) -> None:
    """Refuse files that clients of the tracking server would ask for, or get, under another path.

    Raises:
        RefusedError: There is such a file.
    """
    if not address.startswith(_PROXIED):
        return
    folder = address.removeprefix(_PROXIED)
    for path in paths:
        # MLflow's handlers and clients validate whole paths, paths below the version, and single names.
        if not (_is_plain(path) and all(map(_is_unchanged, (f"{folder}/{path}", path, *path.split("/"))))):
            raise RefusedError(f"its file {path!r} has a name that MLflow's artifact proxy changes", Remedy.REGISTER)


def _proxied(address: str) -> ArtifactFolder:
    path = address.removeprefix(_PROXIED)
    if path.startswith("/"):
        raise _refused(address, "it names a server, which need not be this one")
    if os.environ.get(SERVE_ARTIFACTS_ENV_VAR) != "true":
        raise _refused(address, "this tracking server serves no artifacts")
    if not (_is_plain(path) and _is_unchanged(path) and _is_asked_for(address, path)):
        raise _refused(address, _NOT_PLAIN)
    scoped, destination = _scoped(path), os.environ[ARTIFACTS_DESTINATION_ENV_VAR]
    if urlsplit(destination).scheme in _LOCAL:
        return LocalFolder(Path(local_file_uri_to_path(destination)).absolute() / scoped)
    return _bucket(f"{destination.rstrip('/')}/{scoped}")


def _direct(address: str) -> ArtifactFolder:
    """Return a folder that clients read without the tracking server.

    They may have another S3 or disk than the server, unless it makes them keep their artifacts there.
    """
    root = os.environ.get(ARTIFACT_ROOT_ENV_VAR, "").rstrip("/")
    if not root or not address.startswith(f"{root}/"):
        raise _refused(address, "it is not where this server's clients keep their artifacts")
    if address.startswith(_BUCKET):
        return _bucket(address)
    path = address.removeprefix(f"{root}/")
    if not _is_plain(path):
        raise _refused(address, _NOT_PLAIN)
    return LocalFolder(Path(local_file_uri_to_path(root)).absolute() / path)


def _bucket(address: str) -> BucketFolder:
    if not address.startswith(_BUCKET):
        raise _refused(address, "the server's artifact store is neither S3 nor a local folder")
    bucket, _, path = address.removeprefix(_BUCKET).partition("/")
    if not bucket or not _is_plain(path):
        raise _refused(address, _NOT_PLAIN)
    return BucketFolder(bucket, f"{path}/")


def _is_plain(path: str) -> bool:
    return not _AMBIGUOUS & set(path) and {"", ".", ".."}.isdisjoint(path.split("/"))


# The same paths are asked about at each move of a version, and MLflow's answer takes several parsers.
@lru_cache(maxsize=4096)
def _is_unchanged(path: str) -> bool:
    """Return whether MLflow's handlers take a path literally; they take one such as `A:/b` for a URL, and change it."""
    try:
        return validate_path_is_safe(path) == path and ":" not in path.partition("/")[0]
    except (MlflowException, ValueError):
        return False


def _is_asked_for(address: str, path: str) -> bool:
    """Return whether MLflow's clients ask the server for this path; some paths mean its whole artifact store."""
    server = "http://server"
    return MlflowArtifactsRepository.resolve_uri(address, server) == (
        f"{MlflowArtifactsRepository.resolve_uri(_PROXIED, server)}/{path}"
    )


def _scoped(path: str) -> str:
    if not MLFLOW_ENABLE_WORKSPACES.get():
        return path
    handlers = import_module("mlflow.server.handlers")
    return handlers._get_workspace_scoped_repo_path_if_enabled(path)  # noqa: SLF001 - where MLflow serves it from


def _refused(address: str, reason: str) -> RefusedError:
    return RefusedError(f"its files at {address!r} can't be checked: {reason}", Remedy.REGISTER)
