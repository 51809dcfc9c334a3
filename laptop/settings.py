"""The settings of an environment on a laptop, checked."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from contracts import Env, Exit
from workloads import sqlite_file
from workloads.cli import WorkloadError, require_env

FOLDER: Final = "AEGIS_LAPTOP_FOLDER"
MODEL: Final = "AEGIS_MODEL_NAME"
SERVING_PORT: Final = "AEGIS_SERVING_PORT"
# MLflow's own.
EXPERIMENT: Final = "MLFLOW_EXPERIMENT_NAME"
PORT: Final = "MLFLOW_PORT"

_SQLITE: Final = re.compile(r"(sqlite(?:\+[a-z]+)?:///)(.+)")
_HIGHEST_PORT: Final = 65535
# The first two would end the path in the address of an SQLite file, and SQLAlchemy would read %20 as a blank.
_NOT_IN_PATHS: Final = re.compile(r"[?#]|%[0-9A-Fa-f]{2}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings of the environment `name`.

    `database` is the SQLite file, or None if MLflow is a server or a folder. `overridden` names the variables that were
    set to other values than the file's.
    """

    name: str
    overridden: tuple[str, ...]
    folder: Path
    tracking_uri: str
    database: Path | None
    experiment: str
    model: str
    port: int
    serving_port: int

    @classmethod
    def from_environment(cls, name: str, overridden: tuple[str, ...] = ()) -> Self:
        """Return the settings in the environment variables.

        Raises:
            WorkloadError: A variable is missing or invalid; exits with `Exit.USAGE`.
        """
        folder = Path(require_env(FOLDER, "the folder for the database, artifacts and keys, such as .laptop"))
        if bad := _NOT_IN_PATHS.search(str(folder.absolute())):
            raise WorkloadError(f"{FOLDER} must be a path without {bad[0]}, got {folder.absolute()}.", Exit.USAGE)
        uri = require_env(Env.TRACKING_URI, "the address of MLflow, such as sqlite:///.laptop/mlflow.db")
        sqlite = _SQLITE.fullmatch(uri)
        tracking_uri = f"{sqlite[1]}{Path(sqlite[2]).absolute()}" if sqlite else uri
        return cls(
            name=name,
            overridden=overridden,
            folder=folder.absolute(),
            tracking_uri=tracking_uri,
            database=sqlite_file.file_of(tracking_uri),
            experiment=require_env(EXPERIMENT, "the name of the experiment"),
            model=require_env(MODEL, "the name of the registered model"),
            port=_port(PORT),
            serving_port=_port(SERVING_PORT),
        )

    @property
    def artifacts(self) -> Path:
        """The folder of all artifacts."""
        return self.folder / "artifacts"

    def absolute(self) -> dict[str, str]:
        """Return the variables with paths, made absolute, so that they mean the same in every working directory."""
        paths = (FOLDER, Env.SIGNING_KEY_FILE, Env.TRUSTED_KEYS)
        found = {name: str(Path(os.environ[name]).absolute()) for name in paths if os.environ.get(name)}
        return found | {Env.TRACKING_URI: self.tracking_uri}

    def require_database(self) -> Path:
        """Return the SQLite file.

        Raises:
            WorkloadError: MLflow is a server or a folder.
        """
        if self.database is None:
            raise WorkloadError(
                f"{Env.TRACKING_URI} must be an SQLite file, such as sqlite:///.laptop/mlflow.db: the environment "
                f"{self.name} uses another MLflow, which can't be set up here.",
                Exit.USAGE,
            )
        return self.database


def _port(variable: str) -> int:
    value = require_env(variable, f"a port, 1 to {_HIGHEST_PORT}")
    if not value.isascii() or not value.isdecimal() or not 1 <= int(value) <= _HIGHEST_PORT:
        raise WorkloadError(f"{variable} must be 1 to {_HIGHEST_PORT}, got {value!r}.", Exit.USAGE)
    return int(value)
