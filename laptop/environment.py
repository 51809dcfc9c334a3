"""Read the environment's file, such as `.env.dev`, into the environment variables; variables that are set win."""

import argparse
import io
import os
import re
import sys
from pathlib import Path
from typing import Final

from dotenv.main import DotEnv
from dotenv.parser import parse_stream

from contracts import Exit
from laptop.settings import Settings
from workloads import cli
from workloads.cli import WorkloadError

ROOT: Final = Path(__file__).resolve().parents[1]
# The entry points of the server's image: with them on Python's path, MLflow finds the app and the gate.
ENTRY_POINTS: Final = ROOT / "workloads" / "images" / "code"
# MLflow's variable for its server's `--default-artifact-root`. Without a server, the gate runs in the commands, and it
# accepts only files below it.
_ARTIFACT_ROOT: Final = "_MLFLOW_SERVER_ARTIFACT_ROOT"
_DEFAULT: Final = "dev"
_PREFIX: Final = ".env."
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def add_environment(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the environment."""
    parser.add_argument("--env", default=_DEFAULT, help=f"the environment, whose settings are in {_PREFIX}ENV")


def enter(name: str, root: Path = ROOT) -> Settings:
    """Read the file of the environment `name`, set the variables that aren't set, and return the settings.

    Call it before MLflow is imported: MLflow looks for its plugins, such as the gate, when it is imported.

    Raises:
        WorkloadError: There is no such file, or it or a value is invalid; exits with `Exit.USAGE`.
    """
    read = values(name, root)
    overridden = tuple(variable for variable, value in read.items() if os.environ.get(variable, value) != value)
    for variable, value in read.items():
        os.environ.setdefault(variable, value)
    settings = Settings.from_environment(name, overridden)
    os.environ.update(settings.absolute())
    if settings.database is not None:
        os.environ[_ARTIFACT_ROOT] = settings.artifacts.as_uri()
    if str(ENTRY_POINTS) not in sys.path:
        sys.path.append(str(ENTRY_POINTS))
    return settings


def values(name: str, root: Path = ROOT) -> dict[str, str]:
    """Return the variables in the file of the environment `name`, with `${NAME}` replaced.

    Raises:
        WorkloadError: There is no such file, or a line isn't `NAME=VALUE`.
    """
    path = root / f"{_PREFIX}{name}"
    names = sorted(each.name.removeprefix(_PREFIX) for each in root.glob(f"{_PREFIX}*"))
    if name not in names:
        raise WorkloadError(f"--env must be one of {', '.join(names)}, got {name!r}.", Exit.USAGE)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise WorkloadError(f"{path.name} must be UTF-8 text.", Exit.USAGE) from error
    except OSError as error:
        raise cli.file_error(path, "read", error) from error
    for binding in parse_stream(io.StringIO(text)):
        empty = binding.key is None and not binding.error
        if not empty and (binding.error or binding.value is None or not _NAME.fullmatch(binding.key or "")):
            # The line itself isn't shown: it may hold a password.
            raise WorkloadError(f"{path.name}, line {binding.original.line}: must be NAME=VALUE.", Exit.USAGE)
    # Without `override`, variables that are set win also inside other values.
    read = DotEnv(None, io.StringIO(text), override=False, interpolate=True).dict()
    return {variable: value for variable, value in read.items() if value is not None}
