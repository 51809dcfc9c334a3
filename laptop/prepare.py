"""Prepare the folder of a laptop: the database, the artifacts, the key that signs, and the experiment."""

import os
from pathlib import Path
from typing import Final

from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.exc import SQLAlchemyError

from contracts import Env, Exit
from laptop.settings import Settings
from workloads.cli import WorkloadError, file_error
from workloads.signing import file_key, keys

_PRIVATE: Final = 0o700
_HEADER: Final = b"SQLite format 3\0"


def prepare(settings: Settings) -> None:
    """Create what is missing of the environment's folder; nothing that exists is replaced.

    Raises:
        WorkloadError: The environment's MLflow is no SQLite file, something can't be written, the existing database is
            not MLflow's of this version, or the trusted keys lack the one that signs.
    """
    database = settings.require_database()
    for folder in (settings.folder, settings.artifacts, database.parent):
        _make(folder)
    if path := os.environ.get(Env.SIGNING_KEY_FILE):
        _prepare_keys(Path(path))
    prepare_experiment(settings, settings.experiment)


def prepare_experiment(settings: Settings, name: str) -> None:
    """Create the experiment `name` with its artifacts in the folder; a server's experiments are left to the server.

    Without a server, MLflow would put the artifacts of a new experiment into the working directory.
    """
    if settings.database is None:
        return
    _make(settings.database.parent)
    _check_database(settings.database)
    try:
        store = SqlAlchemyStore(settings.tracking_uri, settings.artifacts.as_uri())
        if store.get_experiment_by_name(name) is None:
            store.create_experiment(name)
    except (MlflowException, SQLAlchemyError) as error:
        reason = str(error).partition("\n")[0]
        raise WorkloadError(f"The database {settings.database} can't be used: {reason}", Exit.MLFLOW) from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(folder, "made", error) from error


def _prepare_keys(path: Path) -> None:
    _make(path.parent)
    public = file_key.create(path).key_ring().versions[1]
    trusted = os.environ.get(Env.TRUSTED_KEYS)
    if not trusted:
        raise WorkloadError(f"{Env.TRUSTED_KEYS} is not set: it must name a file for the public key.", Exit.USAGE)
    location = Path(trusted)
    if not location.exists():
        _make(location.parent)
        try:
            location.write_bytes(public.pem)
        except OSError as error:
            raise file_error(location, "written", error) from error
    if public.fingerprint not in {key.fingerprint for key in keys.trusted([location])}:
        raise WorkloadError(
            f"{location} lacks the public key of {path}: add it, or move the file away, so that it is made again.",
            Exit.USAGE,
        )


def _check_database(path: Path) -> None:
    """Refuse a file that isn't an SQLite database, which MLflow would try to open for minutes."""
    try:
        with path.open("rb") as stream:
            header = stream.read(len(_HEADER))
    except FileNotFoundError:
        return
    except OSError as error:
        raise file_error(path, "read", error) from error
    if header not in (b"", _HEADER):
        raise WorkloadError(f"{path} is not an SQLite database.", Exit.USAGE)
