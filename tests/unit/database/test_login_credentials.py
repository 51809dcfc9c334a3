"""The credentials with which a login token is signed."""

from pathlib import Path

import pytest

from workloads.database import login


@pytest.fixture(autouse=True)
def no_cached_client() -> None:
    login._client.cache_clear()


def method() -> str:
    return login._client("us-west-2")._request_signer._credentials.method


def test_a_role_signs_the_token_even_beside_the_keys_of_an_s3_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mlflow")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the S3 server")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/aegis-prod-mlflow")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    assert method() == "assume-role-with-web-identity"


def test_keys_of_the_environment_sign_it_where_there_is_no_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    assert method() == "env"
