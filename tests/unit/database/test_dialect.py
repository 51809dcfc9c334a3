"""The driver `postgresql+rdsiam`: PostgreSQL to SQLAlchemy and MLflow, with a new token for each connection."""

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
from workloads.database import login
from workloads.database.dialect import RdsIamDialect

ROOT = Path(__file__).parents[3]
# The images with code have its files beside the code.
DISTRIBUTION = ROOT / "workloads" / "images" / "code"
URI = f"{DATABASE_IAM_DRIVER}://mlflow@db:5433/mlflow?sslmode=verify-full&sslrootcert={DATABASE_CA_PATH}"


@pytest.fixture(autouse=True)
def driver() -> Iterator[None]:
    """Register the driver in this process."""
    registry.register("postgresql.rdsiam", RdsIamDialect.__module__, RdsIamDialect.__name__)
    yield
    registry.deregister("postgresql.rdsiam")


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record the arguments of each call of psycopg.connect, which always fails."""
    calls: list[dict[str, Any]] = []

    def connect(*_: object, **arguments: Any) -> None:
        calls.append(arguments)
        raise psycopg.OperationalError("no server here")

    numbers = iter(range(9))
    monkeypatch.setattr(psycopg, "connect", connect)
    monkeypatch.setattr(login, "token", lambda host, port, user: f"token {next(numbers)} {user}@{host}:{port}")
    return calls


def python(code: str) -> str:
    """Return the output of `code` in a Python process that has the files of MLflow's image."""
    environment = {"PYTHONPATH": f"{ROOT}:{DISTRIBUTION}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def connect(uri: str) -> None:
    with pytest.raises(OperationalError):
        sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool).connect()


def test_a_new_process_finds_the_driver_by_its_entry_point() -> None:
    name = python(f"import sqlalchemy; print(type(sqlalchemy.create_engine({URI!r}).dialect).__name__)")
    assert name == "RdsIamDialect"


def test_the_entry_point_has_the_name_from_the_contracts() -> None:
    points = configparser.ConfigParser()
    points.read(DISTRIBUTION / "aegis.dist-info" / "entry_points.txt")
    module, _, name = points["sqlalchemy.dialects"][DATABASE_IAM_DRIVER.replace("+", ".")].partition(":")
    assert getattr(importlib.import_module(module), name) is RdsIamDialect


def test_the_driver_imports_no_package_that_the_mlflow_image_lacks() -> None:
    loaded = python("import sys, workloads.database.dialect; print({'tenacity', 'hvac'} & sys.modules.keys())")
    assert loaded == "set()"


def test_mlflow_sees_postgresql() -> None:
    assert extract_db_type_from_uri(URI) == get_uri_scheme(URI) == "postgresql"
    assert sqlalchemy.create_engine(URI).dialect.name == "postgresql"


def test_each_connection_logs_in_with_a_new_token(logins: list[dict[str, Any]]) -> None:
    connect(URI)
    connect(URI)
    assert [login["password"] for login in logins] == ["token 0 mlflow@db:5433", "token 1 mlflow@db:5433"]


def test_the_authorities_of_the_uri_reach_libpq(logins: list[dict[str, Any]]) -> None:
    connect(URI)
    assert (logins[0]["sslmode"], logins[0]["sslrootcert"]) == ("verify-full", DATABASE_CA_PATH)


def test_a_uri_without_an_sslmode_gets_the_allowed_one(logins: list[dict[str, Any]]) -> None:
    connect(f"{DATABASE_IAM_DRIVER}://mlflow@db/mlflow")
    assert logins[0]["sslmode"] == "verify-full"
    assert logins[0]["password"] == "token 0 mlflow@db:5432"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("mlflow@db/mlflow?sslmode=require", "sslmode of the database's URI must be 'verify-full' .* got 'require'"),
        ("mlflow:pass-word@db/mlflow", "has a password"),
        ("db/mlflow", "has no user"),
        ("mlflow@/mlflow", "has no host"),
        ("", "has no user and no host"),
    ],
)
def test_a_uri_that_does_not_suit_a_login_by_token_is_refused(uri: str, reason: str) -> None:
    with pytest.raises(WorkloadError, match=reason) as refused:
        sqlalchemy.create_engine(f"{DATABASE_IAM_DRIVER}://{uri}")
    assert refused.value.code == Exit.USAGE
    assert "pass-word" not in str(refused.value)


def test_a_token_that_cannot_be_created_is_a_failed_login_for_mlflow(
    logins: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise WorkloadError("A login token can't be created: the role is gone", Exit.DATABASE)

    monkeypatch.setattr(login, "token", refuse)
    with pytest.raises(OperationalError, match="A login token can't be created: the role is gone"):
        sqlalchemy.create_engine(URI).connect()
    assert logins == []
