"""Login tokens in the form that RDS accepts, and one-line errors when the pod's role fails."""

import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError

from contracts import Exit
from tests.unit.database.conftest import ROLE
from workloads.cli import WorkloadError
from workloads.database import login


def parts(token: str) -> tuple[str, dict[str, str]]:
    """Return the host and the parameters of a token; each parameter occurs once."""
    url = urlsplit(f"https://{token}")
    return url.netloc, {name: value for name, [value] in parse_qs(url.query).items()}


def failure() -> WorkloadError:
    with pytest.raises(WorkloadError) as error:
        login.token("db", 5432, "mlflow")
    assert "\n" not in str(error.value)
    return error.value


def test_a_token_is_a_presigned_request_of_the_role_for_one_host_and_user(role: Path, aws: None) -> None:
    host, parameters = parts(login.token("db.example.eu-west-1.rds.amazonaws.com", 5433, "mlflow"))
    assert host == "db.example.eu-west-1.rds.amazonaws.com:5433"
    assert (parameters["Action"], parameters["DBUser"]) == ("connect", "mlflow")
    assert parameters["X-Amz-Expires"] == "900"
    assert parameters["X-Amz-Credential"].split("/")[2:] == ["eu-west-1", "rds-db", "aws4_request"]
    # Only a role's credentials have a session token.
    assert parameters["X-Amz-Security-Token"]


def test_the_default_region_is_used_if_no_other_is_set(role: Path, aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    _, parameters = parts(login.token("db", 5432, "mlflow"))
    assert "/us-west-2/rds-db/" in parameters["X-Amz-Credential"]


def test_a_missing_region_is_named(role: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    error = failure()
    assert error.code == Exit.USAGE
    assert "Neither AWS_REGION nor AWS_DEFAULT_REGION is set" in str(error)


def test_a_missing_role_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    error = failure()
    assert error.code == Exit.DATABASE
    assert str(error) == "A login token for mlflow at db can't be created: Unable to locate credentials"


def test_a_missing_token_file_is_named(role: Path) -> None:
    role.unlink()
    error = failure()
    assert error.code == Exit.DATABASE
    assert str(role) in str(error)


def test_a_role_that_does_not_trust_the_pod_is_named(role: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "Not authorized"}}, "AssumeRoleWithWebIdentity")

    def refuse(**_: object) -> str:
        raise denied

    monkeypatch.setattr(login._client("eu-west-1"), "generate_db_auth_token", refuse)
    error = failure()
    assert error.code == Exit.DATABASE
    assert f"the pod's role {ROLE} can't be assumed: AccessDenied: Not authorized" in str(error)


def test_threads_get_tokens_at_the_same_time(role: Path, aws: None) -> None:
    tokens: list[str] = []
    threads = [
        threading.Thread(target=lambda user=user: tokens.append(login.token("db", 5432, user)))
        for user in ("a", "b", "c", "d")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {parts(token)[1]["DBUser"] for token in tokens} == {"a", "b", "c", "d"}


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca", ""])
def test_a_token_needs_a_server_whose_name_and_certificate_are_checked(mode: str) -> None:
    with pytest.raises(
        WorkloadError, match=f"PGSSLMODE must be 'verify-full' for a login by token, got '{mode}'"
    ) as error:
        login.require_checked_server(mode, "PGSSLMODE")
    assert error.value.code == Exit.USAGE
