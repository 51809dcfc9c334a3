"""The state of a backup depends only on its own content, not on files copied into its folder."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts import Exit
from tests.unit.backup.conftest import BUCKET
from workloads.backup import layout, prune
from workloads.backup.layout import State
from workloads.backup.manifest import Manifest
from workloads.backup.store import BackupStore
from workloads.backup.verification import verify
from workloads.cli import WorkloadError

Make = Callable[[int], Manifest]


def put(client: Any, backup_id: str, name: str, data: bytes) -> None:
    client.put_object(Bucket=BUCKET, Key=f"mlflow/{backup_id}/{name}", Body=data)


def get(client: Any, backup_id: str, name: str) -> bytes:
    return client.get_object(Bucket=BUCKET, Key=f"mlflow/{backup_id}/{name}")["Body"].read()


def states(store: BackupStore) -> dict[str, State]:
    return {backup.id: backup.state for backup in store.backups()}


def garbage_like(good: Manifest) -> bytes:
    return b"x" * good.size


def test_a_manifest_of_another_backup_is_not_verified_and_costs_no_good_backup(
    store: BackupStore, make: Make, client: Any
) -> None:
    good = make(45)
    verify(store, good.id)
    other = make(1).id
    put(client, other, layout.DUMP, garbage_like(good))
    put(client, other, layout.MANIFEST, get(client, good.id, layout.MANIFEST))

    with pytest.raises(WorkloadError, match=f"is the manifest of '{good.id}', another backup") as failure:
        verify(store, other)
    prune.main(["--retention-days", "30"])

    assert failure.value.code is Exit.NOT_VERIFIED
    assert states(store) == {good.id: State.VERIFIED, other: State.DAMAGED}
    assert store.find("latest").id == good.id


def test_a_whole_copy_under_another_id_is_not_verified(store: BackupStore, make: Make, client: Any) -> None:
    good = make(45)
    verify(store, good.id)
    copy = "20991231T000000Z-00000000"
    for name in (layout.DUMP, layout.MANIFEST, layout.VERIFIED):
        put(client, copy, name, get(client, good.id, name))

    assert states(store) == {good.id: State.VERIFIED, copy: State.DAMAGED}


def test_a_record_of_another_backup_does_not_make_one_verified(store: BackupStore, make: Make, client: Any) -> None:
    good, other = make(45), make(1)
    verify(store, good.id)
    put(client, other.id, layout.VERIFIED, get(client, good.id, layout.VERIFIED))

    assert states(store) == {good.id: State.VERIFIED, other.id: State.COMPLETE}


@pytest.mark.parametrize(
    "change",
    [
        {"rows": {"public.runs": 1}},
        {"schema_revision": "other"},
        {"sha256": "0" * 64},
        {"database": "other"},
    ],
)
def test_a_manifest_changed_after_the_verification_is_no_longer_verified(
    store: BackupStore, make: Make, client: Any, change: dict[str, object]
) -> None:
    good = make(1)
    verify(store, good.id)
    put(client, good.id, layout.MANIFEST, json.dumps(json.loads(good.to_json()) | change).encode())

    assert states(store) == {good.id: State.COMPLETE}


def test_a_dump_replaced_after_the_verification_is_no_longer_verified(
    store: BackupStore, make: Make, client: Any
) -> None:
    good = make(1)
    verify(store, good.id)
    put(client, good.id, layout.DUMP, garbage_like(good))

    assert states(store) == {good.id: State.COMPLETE}


def test_a_dump_of_another_size_than_its_manifest_says_is_damaged(store: BackupStore, make: Make, client: Any) -> None:
    good = make(1)
    verify(store, good.id)
    put(client, good.id, layout.DUMP, b"x")

    assert states(store) == {good.id: State.DAMAGED}


@pytest.mark.parametrize("record", [b"", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_an_unreadable_record_proves_nothing(store: BackupStore, make: Make, client: Any, record: bytes) -> None:
    good = make(1)
    put(client, good.id, layout.VERIFIED, record)

    assert states(store) == {good.id: State.COMPLETE}


def test_a_failure_of_another_backup_does_not_cost_a_good_one(store: BackupStore, make: Make, client: Any) -> None:
    good, bad = make(45), make(1)
    put(client, bad.id, layout.DUMP, garbage_like(bad))
    with pytest.raises(WorkloadError):
        verify(store, bad.id)
    put(client, good.id, layout.FAILED, get(client, bad.id, layout.FAILED))

    prune.main(["--retention-days", "30"])

    assert good.id in states(store)


def test_pruning_reads_the_last_resort_back_and_a_forged_one_costs_no_good_backup(
    store: BackupStore, make: Make, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    good, forged = make(45), make(1)
    verify(store, good.id)
    verify(store, forged.id)
    put(client, forged.id, layout.DUMP, garbage_like(forged))
    etag = client.head_object(Bucket=BUCKET, Key=f"mlflow/{forged.id}/{layout.DUMP}")["ETag"]
    record = json.loads(get(client, forged.id, layout.VERIFIED)) | {"etag": etag}
    put(client, forged.id, layout.VERIFIED, json.dumps(record).encode())
    assert states(store)[forged.id] is State.VERIFIED

    prune.main(["--retention-days", "30"])

    assert states(store) == {good.id: State.VERIFIED, forged.id: State.DAMAGED}
    assert f"backup {forged.id} is damaged" in capsys.readouterr().err


def test_nothing_that_counts_is_deleted_while_the_last_resort_cannot_be_read(
    store: BackupStore, make: Make, programs: Any, write: Any
) -> None:
    old, new = make(45), make(1)
    verify(store, new.id)
    write(programs / "pg_restore", "kill -9 $$")

    with pytest.raises(WorkloadError, match="killed by signal 9"):
        prune.main(["--retention-days", "30"])

    assert set(states(store)) == {old.id, new.id}


def test_a_manifest_of_a_later_format_says_nothing_about_its_backup(
    store: BackupStore, make: Make, client: Any
) -> None:
    later = make(1)
    put(client, later.id, layout.MANIFEST, json.dumps(json.loads(later.to_json()) | {"format": 2}).encode())

    assert states(store) == {later.id: State.COMPLETE}
    with pytest.raises(WorkloadError, match="has format 2, but this version reads only 1"):
        verify(store, later.id)
