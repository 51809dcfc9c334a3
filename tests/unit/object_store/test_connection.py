"""A client of the object store has the address and credentials of the moment when it was made."""

from urllib.parse import urlsplit

import pytest

from workloads.object_store import s3


def test_each_client_has_the_credentials_and_the_address_of_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clients = []
    for name in ("first", "second"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"key-of-{name}")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"secret-of-{name}")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{name}.example.com")
        clients.append(s3.connect())
    for name, client in zip(("first", "second"), clients, strict=True):
        signed = urlsplit(client.generate_presigned_url("list_buckets"))
        assert signed.hostname == f"{name}.example.com"
        assert f"key-of-{name}" in signed.query
