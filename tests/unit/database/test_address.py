"""The address of a database, with a password or with a token for each login."""

from typing import Any

import psycopg
import pytest

from contracts import Env, Exit
from workloads.cli import WorkloadError
from workloads.database import login
from workloads.database.address import Address


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOST": "db", "PGPORT": "5433", "PGUSER": "mlflow", "PGDATABASE": "mlflow"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def by_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log in by token, with numbered tokens."""
    numbers = iter(range(9))
    monkeypatch.setattr(login, "token", lambda host, port, user: f"token {next(numbers)} {user}@{host}:{port}")
    monkeypatch.setenv(Env.DATABASE_AUTH, "iam")
    monkeypatch.setenv("PGSSLMODE", "verify-full")


def test_a_password_stays_in_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "pass-word")
    address = Address.from_env()
    assert address.password is None
    assert "PGPASSWORD" not in address.libpq()
    assert "pass-word" not in repr(address)


def test_each_started_program_gets_a_new_token(by_token: None) -> None:
    address = Address.from_env()
    assert address.libpq() == {
        "PGHOST": "db",
        "PGPORT": "5433",
        "PGUSER": "mlflow",
        "PGDATABASE": "mlflow",
        "PGPASSWORD": "token 0 mlflow@db:5433",
    }
    assert address.of("drill").libpq()["PGPASSWORD"] == "token 1 mlflow@db:5433"


def test_each_attempt_to_connect_uses_a_new_token(by_token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def connect(**arguments: Any) -> None:
        asked.append(arguments["password"])
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(psycopg, "connect", connect)
    with pytest.raises(WorkloadError, match="does not answer after 2 attempts"), Address.from_env().connect(attempts=2):
        pass
    assert asked == ["token 0 mlflow@db:5433", "token 1 mlflow@db:5433"]


def test_a_login_by_token_needs_a_checked_server(by_token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "require")
    with pytest.raises(WorkloadError, match=r"PGSSLMODE must be 'verify-full' .* got 'require'") as refused:
        Address.from_env()
    assert refused.value.code == Exit.USAGE


def test_an_unknown_way_to_log_in_is_refused_with_the_allowed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(Env.DATABASE_AUTH, "kerberos")
    with pytest.raises(WorkloadError, match="AEGIS_DATABASE_AUTH must be iam or password, got 'kerberos'") as refused:
        Address.from_env()
    assert refused.value.code == Exit.USAGE
