"""Find a model version in MLflow's registry, and list and fetch its files."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from aegis.errors import NotVerifiedError
from aegis.manifest import DEEPEST

_SCHEME: Final = "models:/"
_FORMS: Final = "models:/NAME/VERSION, models:/NAME@ALIAS or models:/NAME/STAGE"
# Artifact stores to which MLflow sends the credentials of the tracking server.
_SERVERS: Final = {"http", "https", "mlflow-artifacts"}
_AT_A_TIME: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A reference to a version of the registered model `name`; one of the others is set."""

    name: str
    version: str | None = None
    alias: str | None = None
    stage: str | None = None


def parse(uri: str) -> Reference:
    """Return the reference of an address such as `models:/digits@champion`.

    Raises:
        ValueError: It is not the address of a version: an ID of a logged model, for example, is in no registry, and
            `models://PROFILE/...` is in another one.
    """
    rest = uri.removeprefix(_SCHEME) if uri.startswith(_SCHEME) else ""
    name, slash, suffix = rest.partition("/")
    if slash and name.strip() and suffix.strip() and "/" not in suffix:
        number = suffix.isascii() and suffix.isdecimal()
        return Reference(name=name, version=suffix) if number else Reference(name=name, stage=suffix)
    name, _, alias = rest.rpartition("@")
    if name.strip() and alias.strip() and not slash:
        return Reference(name=name, alias=alias)
    raise ValueError(f"{uri!r} is not the address of a model version: allowed are {_FORMS}.")


def find(client: MlflowClient, reference: Reference) -> ModelVersion:
    """Return the version that `reference` names now.

    Raises:
        MlflowException: The registry has no such version, or doesn't answer.
    """
    if reference.version is not None:
        return client.get_model_version(reference.name, reference.version)
    if reference.alias is not None:
        return client.get_model_version_by_alias(reference.name, reference.alias)
    stage = reference.stage or ""
    latest = client.get_latest_versions(reference.name, None if stage.lower() == "latest" else [stage])
    if not latest:
        message = f"No version of the model {reference.name!r} is in the stage {stage!r}."
        raise MlflowException(message, RESOURCE_DOES_NOT_EXIST)
    return max(latest, key=lambda version: int(version.version))


def stored_files(client: MlflowClient, version: ModelVersion) -> ArtifactRepository:
    """Return the artifact repository with the files that the registry serves for the version.

    Raises:
        NotVerifiedError: They are on another server than the tracking server, which would be sent its credentials:
            anyone who may register a version can name any server.
    """
    location = client.get_model_version_download_uri(version.name, str(version.version))
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme in _SERVERS and host and host != urlsplit(client.tracking_uri).netloc.rpartition("@")[2]:
        raise NotVerifiedError(f"its files are at {host}, which is not the tracking server")
    return get_artifact_repository(location, tracking_uri=client.tracking_uri)


def listing(repository: ArtifactRepository, folder: str = "") -> Iterator[tuple[str, int | None]]:
    """Yield the path of each stored file, and its size in bytes if the store tells it.

    Raises:
        NotVerifiedError: The store lists a file outside the folder that it was asked for, or endless folders.
    """
    prefix = f"{folder}/" if folder else ""
    for entry in repository.list_artifacts(folder or None):
        name = entry.path[len(prefix) :]
        if not entry.path.startswith(prefix) or name in {"", ".", ".."} or "/" in name:
            raise NotVerifiedError(f"its artifact store lists {entry.path!r} in the folder {folder!r}")
        if not entry.is_dir:
            yield entry.path, entry.file_size
        elif entry.path.count("/") < DEEPEST:
            yield from listing(repository, entry.path)
        else:
            raise NotVerifiedError(f"its artifact store has more than {DEEPEST} folders in one another")


def fetch(repository: ArtifactRepository, paths: Sequence[str], folder: Path) -> None:
    """Fetch the files at `paths` into the empty `folder`; nothing else, whatever the store lists.

    Raises:
        MlflowException: The store doesn't answer or refuses; some kinds of store raise an `OSError` or their own error.
    """
    for parent in {(folder / path).parent for path in paths}:
        parent.mkdir(parents=True, exist_ok=True)
    # One by one, because MLflow's download of a folder fetches what the store lists at that time.
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        fetched = [pool.submit(repository._download_file, path, str(folder / path)) for path in paths]  # noqa: SLF001 - every kind implements it
        try:
            for one in fetched:
                one.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
