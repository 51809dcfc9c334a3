"""An object store in memory, and stand-ins for PostgreSQL and its programs, whose dump is the script itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from workloads.backup import database, dumping, layout
from workloads.backup.database import Snapshot
from workloads.backup.manifest import Manifest
from workloads.backup.store import BackupStore
from workloads.database.address import Address

BUCKET = "mlflow-backups"
DUMP = rb"""COPY public.alembic_version (version_num) FROM stdin;
abc123
\.

COPY public.runs (id) FROM stdin;
1
2
\.
"""
SNAPSHOT = Snapshot(
    id="snap", rows={"public.alembic_version": 1, "public.runs": 2}, schema_revision="abc123", server_version="15.20"
)


@pytest.fixture(scope="module")
def shared_client() -> Iterator[Any]:
    # Creating a client takes longer than most tests that use it.
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def client(shared_client: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AEGIS_BACKUPS_BUCKET", BUCKET)
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].reset()
    shared_client.create_bucket(Bucket=BUCKET)
    return shared_client


@pytest.fixture
def store(client: Any) -> BackupStore:
    return BackupStore(BUCKET, "mlflow", client)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Address:
    """MLflow's database, whose snapshot is always `SNAPSHOT`."""

    @contextmanager
    def snapshot(_: Address) -> Iterator[Snapshot]:
        yield SNAPSHOT

    monkeypatch.setattr(database, "snapshot", snapshot)
    for name, value in {"PGHOST": "db", "PGUSER": "mlflow", "PGDATABASE": "mlflow", "PGPASSWORD": "secret"}.items():
        monkeypatch.setenv(name, value)
    return Address.from_env()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, first on PATH, with a pg_dump that writes `DUMP` and a pg_restore that writes what it reads."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "dump").write_bytes(DUMP)
    write_program(folder / "pg_dump", f"cat {tmp_path / 'dump'}")
    write_program(folder / "pg_restore", "cat")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def write_program(path: Path, does: str, version: str = "15.20") -> None:
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{path.name} (PostgreSQL) {version}"; exit; fi\n{does}\n'
    )
    path.chmod(0o755)


@pytest.fixture
def write() -> Any:
    """Write a stand-in program."""
    return write_program


@pytest.fixture
def make(
    store: BackupStore, address: Address, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Manifest]:
    """Create a sound backup that is some days old and was never verified."""

    def made(days_old: int) -> Manifest:
        start = datetime.now(UTC) - timedelta(days=days_old)
        with monkeypatch.context() as past:
            past.setattr(layout, "new_id", lambda _: f"{start:%Y%m%dT%H%M%SZ}-{days_old:08x}")
            return dumping.create(store, address)

    return made
