"""The set-up command: its input, its refusals, and that it shows no secret."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto import mock_aws

from contracts import Env, Exit
from workloads.cli import WorkloadError
from workloads.database import administrator, ownership, prepare
from workloads.database.address import Address
from workloads.database.login import Auth
from workloads.database.ownership import Ownership

PASSWORD = "pass-word"
ADMINISTRATOR = {"username": "aegis_admin", "password": f"{PASSWORD}-of-the-administrator"}


@pytest.fixture
def secrets() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("secretsmanager", region_name="eu-west-1")


@pytest.fixture
def secret(secrets: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Create the administrator's secret and set the command's environment for a login by token; return the ARN."""
    arn = secrets.create_secret(Name="rds", SecretString=json.dumps(ADMINISTRATOR))["ARN"]
    for name, value in {
        "PGHOST": "db",
        Env.DATABASE_ADMIN_SECRET: arn,
        Env.DATABASE_OWNER: "mlflow",
        Env.DATABASE_NAME: "mlflow",
        Env.DATABASE_AUTH: "iam",
    }.items():
        monkeypatch.setenv(name, value)
    return arn


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Address, Ownership]]:
    """Record each requested ownership with its server, and report that a role was created."""
    recorded: list[tuple[Address, Ownership]] = []

    @contextmanager
    def connect(address: Address, attempts: int) -> Iterator[Address]:
        yield address

    def establish(connection: Address, requested: Ownership) -> list[str]:
        recorded.append((connection, requested))
        return ["role mlflow created"]

    monkeypatch.setattr(Address, "connect", connect)
    monkeypatch.setattr(ownership, "establish", establish)
    return recorded


def refusal() -> WorkloadError:
    with pytest.raises(WorkloadError) as error:
        prepare.main([])
    assert PASSWORD not in str(error.value)
    assert "\n" not in str(error.value)
    return error.value


def test_the_administrator_from_the_secret_creates_the_owner_and_the_database(
    secret: str, requests: list[tuple[Address, Ownership]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare.main(["--json"]) == Exit.OK
    [(server, requested)] = requests
    assert (server.host, server.port, server.user, server.name) == ("db", 5432, "aegis_admin", "postgres")
    assert server.libpq()["PGPASSWORD"] == ADMINISTRATOR["password"]
    assert requested == Ownership(owner="mlflow", database="mlflow", auth=Auth.IAM)
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "owner": "mlflow",
        "database": "mlflow",
        "auth": "iam",
        "changes": ["role mlflow created"],
    }
    assert PASSWORD not in printed.err


def test_the_owner_gets_the_password_from_the_environment(
    secret: str, requests: list[tuple[Address, Ownership]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(Env.DATABASE_AUTH, "password")
    monkeypatch.setenv(Env.DATABASE_OWNER_PASSWORD, PASSWORD)
    prepare.main([])
    [(_, requested)] = requests
    assert (requested.auth, requested.password) == (Auth.PASSWORD, PASSWORD)
    assert PASSWORD not in repr(requested)


@pytest.mark.parametrize(
    "name", ["PGHOST", Env.DATABASE_ADMIN_SECRET, Env.DATABASE_OWNER, Env.DATABASE_NAME, Env.DATABASE_OWNER_PASSWORD]
)
def test_a_missing_variable_is_named(secret: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(Env.DATABASE_AUTH, "password")
    monkeypatch.setenv(Env.DATABASE_OWNER_PASSWORD, PASSWORD)
    monkeypatch.delenv(name)
    error = refusal()
    assert error.code == Exit.USAGE
    assert f"{name} is not set" in str(error)


def test_the_administrator_cannot_be_the_owner(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(Env.DATABASE_OWNER, "aegis_admin")
    error = refusal()
    assert error.code == Exit.USAGE
    assert "must not be the administrator, got 'aegis_admin'" in str(error)


def test_an_invalid_arn_is_refused(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(Env.DATABASE_ADMIN_SECRET, "rds")
    error = refusal()
    assert error.code == Exit.USAGE
    assert "must be the ARN of a secret, got 'rds'" in str(error)


def test_a_missing_secret_is_named_after_a_limited_number_of_attempts(secret: str, secrets: Any) -> None:
    secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    error = refusal()
    assert error.code == Exit.DATABASE
    assert f"{secret} does not answer after 7 attempts: GetSecretValue is refused: ResourceNotFound" in str(error)


@pytest.mark.parametrize("text", [f"{PASSWORD} is no JSON", f'["{PASSWORD}"]', f'{{"password": "{PASSWORD}"}}'])
def test_a_secret_in_another_form_is_refused_without_its_text(secret: str, secrets: Any, text: str) -> None:
    secrets.put_secret_value(SecretId=secret, SecretString=text)
    error = refusal()
    assert error.code == Exit.DATABASE
    assert "must be JSON with username and password" in str(error)


def test_a_role_that_aws_does_not_know_yet_is_retried(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([administrator._UnavailableError("AccessDenied"), json.dumps(ADMINISTRATOR)])

    def text(*_: str) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(administrator, "_text", text)
    assert administrator.read(secret).user == "aegis_admin"


def test_the_help_lists_the_environment_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        prepare.main(["--help"])
    text = capsys.readouterr().out
    assert "AEGIS_DATABASE_ADMIN_SECRET" in text
    assert "8 the secret or the server can't be used" in text
