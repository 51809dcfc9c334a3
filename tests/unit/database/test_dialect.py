"""SQLAlchemy and MLflow take `postgresql+rdsiam` for PostgreSQL, and each connection logs in with a new token."""

import configparser
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from mlflow.utils.uri import extract_db_type_from_uri, get_uri_scheme
from sqlalchemy.dialects import registry
from sqlalchemy.exc import OperationalError

from contracts import DATABASE_CA_PATH, DATABASE_IAM_DRIVER, Exit
from workloads.cli import WorkloadError
from workloads.database import tokens
from workloads.database.dialect import RdsIamDialect

ROOT = Path(__file__).parents[3]
# Of the images with code, which have its files beside the code.
DISTRIBUTION = ROOT / "workloads" / "images" / "code"
URI = f"{DATABASE_IAM_DRIVER}://mlflow@db:5433/mlflow?sslmode=verify-full&sslrootcert={DATABASE_CA_PATH}"


@pytest.fixture(autouse=True)
def driver() -> Iterator[None]:
    """Know the driver in this process."""
    registry.register("postgresql.rdsiam", RdsIamDialect.__module__, RdsIamDialect.__name__)
    yield
    registry.deregister("postgresql.rdsiam")


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of each connection that psycopg was asked for; it makes none."""
    asked: list[dict[str, Any]] = []

    def connect(*_: object, **arguments: Any) -> None:
        asked.append(arguments)
        raise psycopg.OperationalError("no server here")

    numbers = iter(range(9))
    monkeypatch.setattr(psycopg, "connect", connect)
    monkeypatch.setattr(tokens, "token", lambda host, port, user: f"token {next(numbers)} {user}@{host}:{port}")
    return asked


def python(code: str) -> str:
    """Return what `code` prints in a Python that sees the files of MLflow's image."""
    environment = {"PYTHONPATH": f"{ROOT}:{DISTRIBUTION}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def connect(uri: str) -> None:
    with pytest.raises(OperationalError):
        sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool).connect()


def test_a_new_python_finds_the_driver_by_the_entry_point() -> None:
    said = python(f"import sqlalchemy; print(type(sqlalchemy.create_engine({URI!r}).dialect).__name__)")
    assert said == "RdsIamDialect"


def test_the_entry_point_names_the_driver_of_the_contracts() -> None:
    points = configparser.ConfigParser()
    points.read(DISTRIBUTION / "aegis.dist-info" / "entry_points.txt")
    module, _, name = points["sqlalchemy.dialects"][DATABASE_IAM_DRIVER.replace("+", ".")].partition(":")
    assert getattr(importlib.import_module(module), name) is RdsIamDialect


def test_the_mlflow_image_needs_no_package_for_the_driver_that_it_lacks() -> None:
    said = python("import sys, workloads.database.dialect; print({'tenacity', 'hvac'} & sys.modules.keys())")
    assert said == "set()"


def test_mlflow_takes_the_driver_for_postgresql() -> None:
    assert extract_db_type_from_uri(URI) == get_uri_scheme(URI) == "postgresql"
    assert sqlalchemy.create_engine(URI).dialect.name == "postgresql"


def test_each_connection_logs_in_with_a_token_of_its_own(logins: list[dict[str, Any]]) -> None:
    connect(URI)
    connect(URI)
    assert [login["password"] for login in logins] == ["token 0 mlflow@db:5433", "token 1 mlflow@db:5433"]


def test_the_authorities_of_the_uri_reach_libpq(logins: list[dict[str, Any]]) -> None:
    connect(URI)
    assert (logins[0]["sslmode"], logins[0]["sslrootcert"]) == ("verify-full", DATABASE_CA_PATH)


def test_a_uri_without_an_sslmode_gets_the_one_that_is_allowed(logins: list[dict[str, Any]]) -> None:
    connect(f"{DATABASE_IAM_DRIVER}://mlflow@db/mlflow")
    assert logins[0]["sslmode"] == "verify-full"
    assert logins[0]["password"] == "token 0 mlflow@db:5432"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("mlflow@db/mlflow?sslmode=require", "sslmode of the database's URI is 'require'"),
        ("mlflow:pass-word@db/mlflow", "holds a password"),
        ("db/mlflow", "names no user"),
        ("mlflow@/mlflow", "names no host"),
        ("", "names no user and no host"),
    ],
)
def test_a_uri_that_a_token_must_not_or_cannot_be_made_for_is_refused(uri: str, reason: str) -> None:
    with pytest.raises(WorkloadError, match=reason) as refused:
        sqlalchemy.create_engine(f"{DATABASE_IAM_DRIVER}://{uri}")
    assert refused.value.code == Exit.USAGE
    assert "pass-word" not in str(refused.value)


def test_a_token_that_cannot_be_made_is_a_failed_login_for_mlflow(
    logins: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise WorkloadError("There is no login token: the role is gone", Exit.DATABASE)

    monkeypatch.setattr(tokens, "token", refuse)
    with pytest.raises(OperationalError, match="There is no login token: the role is gone"):
        sqlalchemy.create_engine(URI).connect()
    assert logins == []
