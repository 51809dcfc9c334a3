import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import mlflow
import pytest

from laptop import environment
from tests.support.tracking_store import database
from workloads import cli

# Variables of the files, which the machine of the tests may have set.
_VARIABLES = set(environment.values("dev")) | set(environment.values("prod"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of the environment `dev`; what a command changes in this process is changed back."""
    before, path, uri = dict(os.environ), list(sys.path), mlflow.get_tracking_uri()
    for name in _VARIABLES:
        os.environ.pop(name, None)
    folder = tmp_path / "my laptop"
    os.environ["AEGIS_LAPTOP_FOLDER"] = str(folder)
    yield folder
    os.environ.clear()
    os.environ.update(before)
    sys.path[:] = path
    mlflow.set_tracking_uri(uri)


@pytest.fixture
def prepared_database(folder: Path) -> Path:
    """MLflow's database, made before: creating one takes seconds."""
    mlflow.MlflowClient(database()).search_experiments()
    folder.mkdir()
    return Path(shutil.copy(database().removeprefix("sqlite:///"), folder / "mlflow.db"))


def exit_of(main: Callable[[Sequence[str] | None], int], *argv: object) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.run(main, [str(argument) for argument in argv])
    return int(stop.value.code or 0)
