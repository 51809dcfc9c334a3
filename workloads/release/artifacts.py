"""List and fetch a model's files from its artifact store one by one, so that a failure keeps its reason.

MLflow's download of a folder turns every failure into the same internal error, so that a temporary one can't be told
from a permanent one.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from aegis.manifest import path_problem
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.services import RefusedError

_AT_A_TIME: Final = 4


def fetch(tracking: Tracking, location: str, directory: Path) -> int:
    """Fetch all files at `location` into the new directory `directory`, and return their number.

    Raises:
        WorkloadError: The artifact store refuses or does not answer, or lists a file outside the directory.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    directory.mkdir(parents=True)
    repository = tracking.store(lambda: _open(tracking, location), location)
    paths = tracking.store(lambda: list(_files(repository, "")), location)
    for path in paths:
        if problem := path_problem(path):
            raise WorkloadError(
                f"the artifact store at {location} lists {path!r}, which {problem}.",
                Exit.OBJECT_STORE,
            )
    tracking.store(lambda: _fetch_missing(repository, paths, directory), location)
    return len(paths)


def _open(tracking: Tracking, location: str) -> ArtifactRepository:
    try:
        return get_artifact_repository(location, tracking_uri=tracking.uri)
    # No request was sent: this client can't use the address, so a retry won't help.
    except MlflowException as error:
        raise RefusedError(str(error)) from error


def _files(repository: ArtifactRepository, folder: str) -> Iterator[str]:
    for entry in repository.list_artifacts(folder or None):
        if entry.is_dir:
            yield from _files(repository, entry.path)
        else:
            yield entry.path


def _fetch_missing(repository: ArtifactRepository, paths: Sequence[str], directory: Path) -> None:
    """Fetch the files that an earlier attempt did not; stop at the first failure."""
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        fetched = [
            pool.submit(_fetch, repository, path, directory / path, directory.with_name(f"{number}.partial"))
            for number, path in enumerate(paths)
            if not (directory / path).exists()
        ]
        try:
            for one in fetched:
                one.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _fetch(repository: ArtifactRepository, path: str, target: Path, partial: Path) -> None:
    repository._download_file(path, str(partial))  # noqa: SLF001 - every kind of repository implements it
    target.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(target)
