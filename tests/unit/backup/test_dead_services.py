import time

import boto3
import pytest

from contracts import Exit
from workloads.backup import create, prune, restore, verify
from workloads.backup import list as list_command
from workloads.cli import WorkloadError

# Nothing listens on this port, so connections are refused at once.
CLOSED_PORT = "1"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AEGIS_BACKUPS_BUCKET": "backups",
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{CLOSED_PORT}",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret-key",
        "AWS_DEFAULT_REGION": "us-west-2",
        "PGHOST": "127.0.0.1",
        "PGPORT": CLOSED_PORT,
        "PGUSER": "mlflow",
        "PGPASSWORD": "secret-password",
        "PGDATABASE": "mlflow",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.mark.parametrize("command", [list_command, verify, restore, prune])
def test_a_dead_object_store_is_one_clear_line(command: object) -> None:
    with pytest.raises(WorkloadError) as failure:
        command.main([])  # pyright: ignore[reportAttributeAccessIssue] - every command module has one

    assert failure.value.code is Exit.OBJECT_STORE
    assert "s3://backups at http://127.0.0.1:1 can't be used" in str(failure.value)
    assert "secret" not in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_dead_database_is_one_clear_line_after_a_limited_number_of_attempts() -> None:
    with pytest.raises(WorkloadError) as failure:
        create.main([])

    assert failure.value.code is Exit.DATABASE
    assert "PostgreSQL at 127.0.0.1:1, database mlflow does not answer after 5 attempts" in str(failure.value)
    assert "secret" not in str(failure.value)
    assert "\n" not in str(failure.value)


def test_missing_credentials_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    # boto3 keeps a session and its credentials for the whole process.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")

    with pytest.raises(WorkloadError, match="Unable to locate credentials") as failure:
        list_command.main([])

    assert failure.value.code is Exit.OBJECT_STORE


@pytest.mark.parametrize("name", ["AEGIS_BACKUPS_BUCKET", "PGHOST", "PGUSER", "PGDATABASE"])
def test_a_missing_variable_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(WorkloadError, match=f"{name} is not set: it must contain ") as failure:
        create.main([])

    assert failure.value.code is Exit.USAGE


def test_a_port_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "postgres")

    with pytest.raises(WorkloadError, match="PGPORT must be a port number from 1 to 65535, got 'postgres'"):
        create.main([])


@pytest.mark.parametrize("command", [create, list_command, verify, restore, prune])
def test_help_tells_the_environment_and_the_exit_codes(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])  # pyright: ignore[reportAttributeAccessIssue] - every command module has one

    text = capsys.readouterr().out
    assert "AEGIS_BACKUPS_BUCKET" in text
    assert "7 the object store failed" in text
