"""What the exporter reads of Vault, of the buckets, of the backups and of certificates."""

import json
import os
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from contracts import Env
from tests.support.tls import self_signed
from workloads.backup import layout
from workloads.backup.layout import Backup, State
from workloads.backup.store import BackupStore
from workloads.cli import WorkloadError
from workloads.monitoring import stores
from workloads.monitoring.sources import backups, buckets, certificates, vault

BUCKETS = [
    {"name": "artifacts", "bucket": "aegis-a", "prefix": "mlflow"},
    {"name": "backups", "bucket": "aegis-b", "prefix": ""},
]
KEYS = {"access_key": "AKIAOWN", "secret_key": "very-secret-key"}


class Answering(ThreadingHTTPServer):
    """A server that answers everything with one status."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers the health of Vault, and nothing else."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Answering)
        self.send_response(self.server.status if self.path == "/v1/sys/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    with Answering() as answering:
        threading.Thread(target=answering.serve_forever, daemon=True).start()
        monkeypatch.setenv(Env.VAULT_ADDR, answering.address)
        monkeypatch.delenv(Env.VAULT_CACERT, raising=False)
        yield answering
        answering.shutdown()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv(Env.EXPORTER_BUCKETS, json.dumps(BUCKETS))
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        for bucket in ("aegis-a", "aegis-b"):
            client.create_bucket(Bucket=bucket)
            client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.mark.parametrize(("status", "unsealed"), [(200, 1), (429, 1), (472, 1), (473, 1), (503, 0), (501, 0)])
def test_vault_tells_whether_it_is_sealed(server: Answering, status: int, unsealed: int) -> None:
    server.status = status
    [sample] = vault.read()
    assert (sample.name, sample.value) == ("aegis_vault_unsealed", unsealed)


def test_what_is_not_vault_tells_nothing(server: Answering) -> None:
    server.status = 404
    with pytest.raises(WorkloadError, match="answers its health with 404"):
        list(vault.read())


def test_a_vault_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(Env.VAULT_ADDR, "http://127.0.0.1:1")
    with pytest.raises(WorkloadError, match=r"Vault at http://127.0.0.1:1 does not answer"):
        list(vault.read())


def test_all_versions_of_the_objects_take_space(s3: Any) -> None:
    for size in (10, 20):
        s3.put_object(Bucket="aegis-a", Key="mlflow/1/model", Body=b"x" * size)
    s3.delete_object(Bucket="aegis-a", Key="mlflow/1/model")
    s3.put_object(Bucket="aegis-a", Key="datasets/1", Body=b"x" * 500)
    s3.put_object(Bucket="aegis-a", Key="mlflow-private/1", Body=b"x" * 500)
    s3.put_object(Bucket="aegis-b", Key="mlflow/dump", Body=b"x" * 5)
    found = {(sample.name, *sample.labels): sample.value for sample in buckets.read()}
    assert found == {
        ("aegis_bucket_bytes", "artifacts"): 30,
        ("aegis_artifact_bytes",): 30,
        ("aegis_bucket_bytes", "backups"): 5,
    }


def test_a_bucket_that_is_not_there_is_named(s3: Any) -> None:
    s3.delete_bucket(Bucket="aegis-a")
    with pytest.raises(WorkloadError, match="s3://aegis-a at AWS can't be used"):
        list(buckets.read())


def test_each_bucket_is_read_with_its_own_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "before")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    monkeypatch.setenv(Env.EXPORTER_BUCKETS, json.dumps([{**BUCKETS[0], **KEYS}]))
    with stores.of("artifacts").keys():
        assert (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]) == tuple(KEYS.values())
    assert os.environ["AWS_ACCESS_KEY_ID"] == "before"
    assert "AWS_SECRET_ACCESS_KEY" not in os.environ


@pytest.mark.parametrize("text", ["[", '{"a": 1}', '[{"name": "artifacts", "secret": "very-secret-key"}]', "[1]"])
def test_buckets_in_another_form_are_refused_without_being_shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(Env.EXPORTER_BUCKETS, text)
    with pytest.raises(WorkloadError, match="must be a JSON list of objects with name, bucket and prefix") as refused:
        stores.from_env()
    assert "very-secret-key" not in str(refused.value)


def test_no_error_shows_the_keys_of_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(Env.EXPORTER_BUCKETS, json.dumps([{**BUCKETS[0], **KEYS}]))
    assert "very-secret-key" not in str(WorkloadError("refused: very-secret-key"))
    assert "very-secret-key" not in repr(stores.of("artifacts"))


def backup(hours: int, state: State) -> Backup:
    start = datetime(2026, 1, 2, tzinfo=UTC) - timedelta(hours=hours)
    return Backup(id=layout.new_id(start), started_at=start, state=state, size=1, objects=())


@pytest.mark.parametrize(
    ("found", "newest", "verified"),
    [
        ([], None, None),
        ([(1, State.HALF), (2, State.DAMAGED)], None, None),
        ([(3, State.VERIFIED), (2, State.VERIFIED), (1, State.HALF)], 2, 2),
        ([(3, State.VERIFIED), (1, State.COMPLETE)], 1, 3),
    ],
)
def test_the_newest_whole_backup_and_the_newest_verified_one(
    s3: Any,
    monkeypatch: pytest.MonkeyPatch,
    found: list[tuple[int, State]],
    newest: int | None,
    verified: int | None,
) -> None:
    del s3
    monkeypatch.setattr(BackupStore, "backups", lambda _: [backup(*each) for each in found])
    epoch = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    samples = {sample.name: (epoch - sample.value) / 3600 for sample in backups.read()}
    assert samples.get("aegis_backup_newest_timestamp_seconds") == newest
    assert samples.get("aegis_backup_newest_verified_timestamp_seconds") == verified


def test_backups_of_which_none_was_verified_are_as_old_as_can_be(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    del s3
    monkeypatch.setattr(BackupStore, "backups", lambda _: [backup(1, State.COMPLETE)])
    values = {sample.name: sample.value for sample in backups.read()}
    assert values["aegis_backup_newest_verified_timestamp_seconds"] == 0


def test_the_date_of_a_private_certificate_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = self_signed(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Answering() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"localhost:{server.server_port}"
        monkeypatch.setenv(Env.EXPORTER_CERTIFICATES, address)
        [sample] = certificates.read()
        server.shutdown()
    assert sample.labels == (address,)
    assert sample.value > datetime.now(UTC).timestamp()


def test_a_host_without_a_certificate_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(Env.EXPORTER_CERTIFICATES, "127.0.0.1:1")
    with pytest.raises(WorkloadError, match=r"127.0.0.1:1 does not show a certificate"):
        list(certificates.read())
