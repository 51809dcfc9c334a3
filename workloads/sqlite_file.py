"""MLflow's addresses that are an SQLite file on this machine, such as `sqlite:///mlflow.db`."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_IN_MEMORY: Final = {None, "", ":memory:"}


def file_of(uri: str) -> Path | None:
    """Return the SQLite file that `uri` names, or None if `uri` is another address."""
    if urlsplit(uri).scheme.partition("+")[0] != "sqlite":
        return None
    try:
        database = make_url(uri).database
    except ArgumentError:
        return None
    return None if database in _IN_MEMORY else Path(str(database))


def prepare(file: Path, *, create: bool) -> None:
    """Refuse a file that MLflow can't open, which it would try for 100 seconds.

    Raises:
        ValueError: Its folder doesn't exist, or the file doesn't exist and `create` is false.
    """
    if not file.parent.is_dir():
        raise ValueError(f"the folder {file.parent} of {file.name} doesn't exist")
    if not create and not file.exists():
        raise ValueError(f"there is no file {file}")
