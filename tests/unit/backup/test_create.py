import dataclasses
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mlflow
import pytest

from contracts import Exit
from tests.unit.backup.conftest import BUCKET, DUMP, SNAPSHOT
from workloads.backup import create, database, dumping
from workloads.backup.database import Snapshot
from workloads.backup.layout import State
from workloads.backup.store import BackupStore
from workloads.cli import WorkloadError
from workloads.database.address import Address


def keys(client: Any) -> list[str]:
    return [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def with_snapshot(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    @contextmanager
    def snapshot(_: Address) -> Iterator[Snapshot]:
        yield dataclasses.replace(SNAPSHOT, **changes)

    monkeypatch.setattr(database, "snapshot", snapshot)


def test_a_backup_holds_the_dump_and_what_it_must_hold(
    store: BackupStore, address: Address, programs: Any, client: Any
) -> None:
    manifest = dumping.create(store, address)

    dump = client.get_object(Bucket=BUCKET, Key=f"mlflow/{manifest.id}/database.dump")["Body"].read()
    assert dump == DUMP
    assert manifest.size == len(DUMP)
    assert manifest.sha256 == hashlib.sha256(DUMP).hexdigest()
    assert manifest.rows == SNAPSHOT.rows
    assert manifest.mlflow_version == mlflow.__version__
    assert store.manifest(manifest.id) == manifest


def test_a_pg_dump_that_dies_leaves_nothing_behind(
    store: BackupStore, address: Address, programs: Any, client: Any, write: Any
) -> None:
    write(programs / "pg_dump", "echo half; echo 'pg_dump: error: connection lost' >&2; exit 1")

    with pytest.raises(WorkloadError, match="connection lost") as failure:
        dumping.create(store, address)

    assert failure.value.code is Exit.DATABASE
    assert keys(client) == []
    assert client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_a_killed_pg_dump_leaves_nothing_behind(
    store: BackupStore, address: Address, programs: Any, client: Any, write: Any
) -> None:
    write(programs / "pg_dump", "echo half; kill -9 $$")

    with pytest.raises(WorkloadError, match="killed by signal 9"):
        dumping.create(store, address)

    assert keys(client) == []


def test_a_lost_manifest_leaves_a_half_backup_that_does_not_count(
    store: BackupStore, address: Address, programs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise WorkloadError("the store is gone", Exit.OBJECT_STORE)

    monkeypatch.setattr(store, "commit", refuse)
    with pytest.raises(WorkloadError):
        dumping.create(store, address)

    (half,) = store.backups()
    assert half.state is State.HALF
    with pytest.raises(WorkloadError, match="half backup"):
        store.find(half.id)
    with pytest.raises(WorkloadError, match="no complete backup"):
        store.find("latest")


def test_a_client_older_than_the_server_is_refused(
    store: BackupStore, address: Address, programs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_snapshot(monkeypatch, server_version="17.2")

    with pytest.raises(WorkloadError, match=r"pg_dump 15\.20 is older than the server 17\.2: install") as failure:
        dumping.create(store, address)

    assert failure.value.code is Exit.DATABASE


def test_a_database_without_mlflow_is_not_backed_up(
    store: BackupStore, address: Address, programs: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_snapshot(monkeypatch, schema_revision=None, rows={})

    with pytest.raises(WorkloadError, match="no MLflow schema"):
        dumping.create(store, address)

    assert keys(client) == []


def test_the_password_is_no_argument_of_pg_dump(
    store: BackupStore, address: Address, programs: Any, write: Any, client: Any
) -> None:
    write(programs / "pg_dump", 'tr "\\0" "\\n" </proc/$$/cmdline; echo "password: $PGPASSWORD"')

    manifest = dumping.create(store, address)

    dump = client.get_object(Bucket=BUCKET, Key=f"mlflow/{manifest.id}/database.dump")["Body"].read().decode()
    arguments, _, password = dump.partition("password: ")
    assert "--snapshot=snap" in arguments
    assert "secret" not in arguments
    assert password == "secret\n"


def test_a_missing_bucket_is_one_clear_line(address: Address, programs: Any, client: Any) -> None:
    with pytest.raises(
        WorkloadError, match="s3://absent at AWS can't be used: CreateMultipartUpload is refused: NoSuchBucket"
    ) as failure:
        dumping.create(BackupStore("absent", "mlflow", client), address)

    assert failure.value.code is Exit.OBJECT_STORE


def test_create_verifies_and_prunes_in_one_command(
    store: BackupStore, address: Address, programs: Any, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("database.dump", "manifest.json"):
        client.put_object(Bucket=BUCKET, Key=f"mlflow/20200101T000000Z-00000000/{name}", Body=b"old")

    code = create.main(["--verify", "--retention-days", "30", "--json"])

    result = json.loads(capsys.readouterr().out)
    assert code == Exit.OK
    assert result["verified"] is True
    assert result["pruned"] == ["20200101T000000Z-00000000"]
    (left,) = store.backups()
    assert (left.id, left.state) == (result["backup"]["id"], State.VERIFIED)


def test_nothing_is_pruned_when_the_new_backup_fails_verification(
    store: BackupStore, address: Address, programs: Any, client: Any, write: Any
) -> None:
    for name in ("database.dump", "manifest.json"):
        client.put_object(Bucket=BUCKET, Key=f"mlflow/20200101T000000Z-00000000/{name}", Body=b"old")
    write(programs / "pg_restore", "cat >/dev/null; exit 1")

    with pytest.raises(WorkloadError) as failure:
        create.main(["--verify", "--retention-days", "30"])

    assert failure.value.code is Exit.NOT_VERIFIED
    assert "20200101T000000Z-00000000" in [backup.id for backup in store.backups()]


@pytest.mark.parametrize("given", ["0", "-1", "x", "1.5"])
def test_a_bad_number_of_days_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        create.main([f"--retention-days={given}"])

    assert stop.value.code == Exit.USAGE
    assert f"must be a whole number of days from 1 to 999999, got {given!r}" in capsys.readouterr().err
