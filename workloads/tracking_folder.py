"""MLflow's addresses that are a folder on this machine, such as `file:./mlruns`, which need no tracking server."""

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_FILE: Final = "file:"
# Characters of other addresses: the colon of a scheme or a port, and the @ after a user.
_ADDRESS: Final = re.compile(r"[:@]")
_HOSTS: Final = ("", "localhost")
# MLflow 3.17 refuses a folder unless this is set: mlflow/store/tracking/file_store.py.
_ALLOW: Final = "MLFLOW_ALLOW_FILE_STORE"


def folder_of(uri: str) -> Path | None:
    """Return the folder that `uri` names, absolute, or None if `uri` is another address.

    A folder is a `file:` address or a path. A relative path is relative to the working directory. A path whose first
    part could be a host name, such as `mlflow.example.com`, is not a folder: it lacks `http://`, or `./` before it.

    Raises:
        ValueError: A `file:` address names another machine, or no path.
    """
    if uri.startswith(_FILE):
        return Path(_path(uri)).absolute()
    if not uri or _ADDRESS.search(uri) or re.match(r"[^./][^/]*\.", uri):
        return None
    return Path(uri).absolute()


def prepare(folder: Path, *, create: bool) -> str:
    """Return the address of `folder` for MLflow's client, and let the client use folders.

    Raises:
        ValueError: `folder` is a file, or doesn't exist and `create` is false.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, not a folder")
    if not create and not folder.exists():
        raise ValueError(f"there is no folder {folder}")
    os.environ.setdefault(_ALLOW, "true")
    return folder.as_uri()


def _path(uri: str) -> str:
    # Not parsed as a URL: in a path written by `file://$PWD/mlruns`, `#` and `?` are ordinary characters.
    rest = uri.removeprefix(_FILE)
    if rest.startswith("//"):
        host, slash, rest = rest.removeprefix("//").partition("/")
        if host not in _HOSTS:
            raise ValueError(f"file://{host} names another machine: write file:FOLDER or file:///PATH")
        rest = slash + rest
    if not rest:
        raise ValueError("file: needs a path, such as file:./mlruns")
    return unquote(rest)
