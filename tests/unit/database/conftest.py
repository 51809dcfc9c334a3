"""Fixtures for a pod's IAM role: a token file, and an emulated STS that exchanges it for credentials."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from workloads import retry
from workloads.database import login

ROLE = "arn:aws:iam::123456789012:role/aegis-test-mlflow"


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove other tests' clients, waits, and the credentials of this machine."""
    login._client.cache_clear()
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")


@pytest.fixture
def aws() -> Iterator[None]:
    """Emulate AWS in this process, without mock credentials."""
    with mock_aws(config={"core": {"mock_credentials": False}}):
        yield


@pytest.fixture
def role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set the environment variables of a pod with a role, as the stack does, and return the pod's token file."""
    file = tmp_path / "token"
    file.write_text("the.pod.token")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    return file
