"""MLflow in an SQLite file: its address, and what is refused before MLflow tries to open it."""

from pathlib import Path

import pytest

from contracts import Exit
from workloads import sqlite_file
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("http://127.0.0.1:5000", None),
        ("https://user:password@host/mlflow", None),
        ("postgresql://host/mlflow", None),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("sqlite:nonsense", None),
        ("sqlite:///mlflow.db", Path("mlflow.db")),
        ("sqlite:////srv/mlflow.db", Path("/srv/mlflow.db")),
        ("sqlite+pysqlite:///mlflow.db", Path("mlflow.db")),
    ],
)
def test_the_file_behind_an_address_is_found(uri: str, path: Path | None) -> None:
    assert sqlite_file.file_of(uri) == path


def test_an_sqlite_file_in_a_missing_folder_is_refused_at_once() -> None:
    with pytest.raises(WorkloadError) as refused:
        Tracking("sqlite:////nowhere/mlflow.db", given_as="--to")
    assert refused.value.code == Exit.USAGE
    assert str(refused.value) == "--to: the folder /nowhere of mlflow.db doesn't exist."


def test_an_sqlite_file_is_created_only_for_a_command_that_writes(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    with pytest.raises(WorkloadError, match=f"there is no file {file}"):
        Tracking(f"sqlite:///{file}")
    assert not file.exists()
    Tracking(f"sqlite:///{file}", create=True)


@pytest.mark.parametrize("uri", ["mlflow.db", "", "http://", "http://host:0", "http:///x", "x:y", "s3://bucket"])
def test_an_address_of_no_known_form_is_refused_with_the_known_ones(uri: str) -> None:
    with pytest.raises(WorkloadError) as refused:
        Tracking(uri)
    assert refused.value.code == Exit.USAGE
    assert "such as http://127.0.0.1:5000, sqlite:///mlflow.db or file:./mlruns, got " in str(refused.value)
