import json
from typing import Any

import pytest

from contracts import Exit
from workloads.backup import dumping, layout
from workloads.backup.layout import State
from workloads.backup.manifest import Manifest
from workloads.backup.store import BackupStore
from workloads.backup.verification import compare, count_rows, verify
from workloads.cli import WorkloadError
from workloads.database.address import Address


@pytest.fixture
def backup(store: BackupStore, address: Address, programs: Any) -> Manifest:
    return dumping.create(store, address)


def put(client: Any, backup: Manifest, name: str, data: bytes) -> None:
    client.put_object(Bucket="mlflow-backups", Key=f"mlflow/{backup.id}/{name}", Body=data)


def get(client: Any, backup: Manifest, name: str) -> bytes:
    return client.get_object(Bucket="mlflow-backups", Key=f"mlflow/{backup.id}/{name}")["Body"].read()


def fails(store: BackupStore, backup: Manifest) -> str:
    with pytest.raises(WorkloadError) as failure:
        verify(store, backup.id)
    assert failure.value.code is Exit.NOT_VERIFIED
    return str(failure.value)


def test_a_sound_backup_is_recorded_as_verified(store: BackupStore, backup: Manifest) -> None:
    passed = verify(store, backup.id)

    assert passed.rows == 3
    assert passed.sha256 == backup.sha256
    assert store.find(backup.id).state is State.VERIFIED


def test_a_changed_byte_fails_verification_with_its_reason(store: BackupStore, backup: Manifest, client: Any) -> None:
    dump = bytearray(get(client, backup, layout.DUMP))
    dump[10] ^= 1
    put(client, backup, layout.DUMP, bytes(dump))

    assert "SHA-256" in fails(store, backup)
    assert "SHA-256" in json.loads(get(client, backup, layout.FAILED))["reason"]


def test_a_truncated_dump_fails_verification_with_its_reason(store: BackupStore, backup: Manifest, client: Any) -> None:
    put(client, backup, layout.DUMP, get(client, backup, layout.DUMP)[:-1])

    assert f"{backup.size - 1} bytes, its manifest says {backup.size}" in fails(store, backup)


def test_a_dump_without_all_its_rows_fails_verification(store: BackupStore, backup: Manifest, client: Any) -> None:
    claimed = json.loads(backup.to_json()) | {"rows": {"public.runs": 3, "public.alembic_version": 1}}
    put(client, backup, layout.MANIFEST, json.dumps(claimed).encode())

    assert "public.runs: 2 instead of 3" in fails(store, backup)


def test_a_dump_that_pg_restore_cannot_read_fails_verification(
    store: BackupStore, backup: Manifest, programs: Any, write: Any
) -> None:
    write(programs / "pg_restore", "cat >/dev/null; echo 'pg_restore: error: corrupt header' >&2; exit 1")

    assert "corrupt header" in fails(store, backup)


def test_a_pg_restore_killed_for_memory_says_nothing_about_the_backup(
    store: BackupStore, backup: Manifest, programs: Any, write: Any
) -> None:
    write(programs / "pg_restore", "kill -9 $$")

    with pytest.raises(WorkloadError, match="killed by signal 9") as failure:
        verify(store, backup.id)

    assert failure.value.code is Exit.UNEXPECTED
    assert store.find(backup.id).state is State.COMPLETE


def test_a_damaged_backup_stops_being_the_latest_and_a_repaired_one_counts_again(
    store: BackupStore, backup: Manifest, client: Any
) -> None:
    verify(store, backup.id)
    good = get(client, backup, layout.DUMP)
    put(client, backup, layout.DUMP, good[:-1])
    fails(store, backup)

    assert store.find(backup.id).state is State.DAMAGED
    with pytest.raises(WorkloadError, match="no complete backup"):
        store.find("latest")

    put(client, backup, layout.DUMP, good)
    verify(store, backup.id)
    assert store.find("latest").state is State.VERIFIED


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format": 1, "id": 3}', b"\xff"])
def test_a_broken_manifest_fails_verification(store: BackupStore, backup: Manifest, client: Any, data: bytes) -> None:
    put(client, backup, layout.MANIFEST, data)

    assert "is not a backup manifest" in fails(store, backup)


def test_rows_that_look_like_commands_are_counted_as_rows() -> None:
    script = [
        b'COPY public."order" (id, "FROM stdin;") FROM stdin;\n',
        b"COPY public.runs (id) FROM stdin;\n",
        b"\\\\.\n",
        b"\\.\n",
        b"COPY public.empty  FROM stdin;\n",
        b"\\.\n",
        b"SELECT pg_catalog.setval('public.x_seq', 1, true);\n",
    ]

    assert count_rows(script) == {'public."order"': 2, "public.empty": 0}


def test_a_comparison_names_the_first_tables_that_differ() -> None:
    assert compare({"a": 1}, {"a": 1}) is None
    assert compare({"a": 1, "b": 2}, {"a": 2}) == "a: 2 instead of 1, b: none instead of 2"
    assert str(compare(dict.fromkeys("abcde", 1), {})).endswith("and 2 more")
