import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import IncompleteReadError, ReadTimeoutError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from contracts import Exit
from tests.unit.backup.conftest import BUCKET
from workloads.backup import list as list_command
from workloads.backup import prune
from workloads.backup.store import BackupStore
from workloads.cli import WorkloadError

ID = "20261121T020000Z-0123abcd"


def put(client: Any, backup_id: str, *names: str, data: bytes = b"x") -> None:
    for name in names:
        client.put_object(Bucket=BUCKET, Key=f"mlflow/{backup_id}/{name}", Body=data)


def test_more_backups_than_one_page_of_a_listing_are_all_found(store: BackupStore, client: Any) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    # Written without requests: a thousand would take most of this suite's time.
    server = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for number in range(1001):
        server.put_object(
            BUCKET, f"mlflow/{start + timedelta(minutes=number):%Y%m%dT%H%M%SZ}-00000000/manifest.json", b""
        )

    assert len(store.backups()) == 1001


def test_half_backups_are_listed_on_request_only(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    put(client, ID, "database.dump")

    list_command.main(["--json"])
    assert json.loads(capsys.readouterr().out) == []

    list_command.main(["--all", "--json"])
    (half,) = json.loads(capsys.readouterr().out)
    assert (half["id"], half["state"], half["size"]) == (ID, "half", 1)


def test_an_empty_store_says_so(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    list_command.main([])

    assert capsys.readouterr().out == f"no backups under s3://{BUCKET}/mlflow/\n"


def test_another_prefix_is_another_set_of_backups(store: BackupStore, client: Any) -> None:
    put(client, ID, "database.dump")

    assert BackupStore(BUCKET, "other", client).backups() == []


def test_an_unknown_backup_is_named(store: BackupStore) -> None:
    with pytest.raises(WorkloadError, match="there is no backup 'nope'") as failure:
        store.find("nope")

    assert failure.value.code is Exit.USAGE


def test_a_dry_run_removes_nothing(store: BackupStore, client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    put(client, "20200101T000000Z-00000000", "database.dump")
    put(client, ID, "database.dump", "manifest.json")

    prune.main(["--dry-run", "--json"])

    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"removed": ["20200101T000000Z-00000000"], "dry_run": True}
    assert "would delete 20200101T000000Z-00000000 (half): unfinished after 24 hours" in captured.err
    assert len(store.backups()) == 2


def test_pruning_removes_all_objects_of_a_backup_and_no_others(store: BackupStore, client: Any) -> None:
    put(client, "20200101T000000Z-00000000", "database.dump", "manifest.json", "failed.json", "note.txt")
    put(client, "20200102T000000Z-00000000", "database.dump", "manifest.json", "verified.json")
    put(client, "notes", "database.dump")

    prune.main([])

    left = [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
    folder = "mlflow/20200102T000000Z-00000000"
    names = ("database.dump", "manifest.json", "verified.json")
    assert left == [*(f"{folder}/{name}" for name in names), "mlflow/notes/database.dump"]


def test_pruning_drops_the_parts_of_an_abandoned_upload(client: Any) -> None:
    key = "mlflow/20200101T000000Z-00000000/database.dump"
    client.create_multipart_upload(Bucket=BUCKET, Key=key)

    prune.main([])

    assert client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_a_deletion_begins_with_the_manifest_so_that_a_broken_off_one_leaves_nothing_that_counts(
    store: BackupStore, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, ID, "database.dump", "manifest.json", "verified.json")
    deleted: list[str] = []

    def delete_object(*, Key: str, **_: Any) -> None:  # noqa: N803 - boto3's name
        deleted.append(Key)

    monkeypatch.setattr(client, "delete_object", delete_object)
    store.delete(store.find(ID))

    assert deleted[0].endswith("manifest.json")
    assert len(deleted) == 3


def test_a_dump_that_changes_while_it_is_read_is_refused(store: BackupStore, client: Any) -> None:
    put(client, ID, "database.dump", "manifest.json", data=b"first")
    pinned = store.pin_dump(ID)
    put(client, ID, "database.dump", data=b"other")

    with pytest.raises(WorkloadError, match="PreconditionFailed"):
        b"".join(store.read_dump(pinned))


def store_of(client: Any) -> BackupStore:
    return BackupStore(BUCKET, "mlflow", client)


class Flaky:
    """An S3 client whose first `failures` downloads break off after a few bytes."""

    def __init__(self, client: Any, failures: int, error: Exception) -> None:
        self._client = client
        self._failures = failures
        self._error = error
        self.ranges: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_object(self, **request: Any) -> dict[str, Any]:
        self.ranges.append(request["Range"])
        answer = self._client.get_object(**request)
        if self._failures:
            self._failures -= 1
            return {"Body": self._breaking(answer["Body"].read())}
        return answer

    def _breaking(self, data: bytes) -> Any:
        error = self._error

        class Body:
            def iter_chunks(self, _: int) -> Any:
                yield data[:2]
                raise error

        return Body()


@pytest.mark.parametrize(
    "error",
    [ReadTimeoutError(endpoint_url="http://store"), IncompleteReadError(actual_bytes=2, expected_bytes=10)],
    ids=["timeout", "short"],
)
def test_a_broken_download_goes_on_where_it_broke(client: Any, error: Exception) -> None:
    put(client, ID, "database.dump", "manifest.json", data=b"0123456789")
    flaky = Flaky(client, 2, error)
    store = store_of(flaky)

    assert b"".join(store.read_dump(store.pin_dump(ID))) == b"0123456789"
    assert flaky.ranges == ["bytes=0-", "bytes=2-", "bytes=4-"]


def test_a_download_that_never_moves_ends_with_a_clear_line(client: Any) -> None:
    put(client, ID, "database.dump", "manifest.json", data=b"0123456789")

    class Dead(Flaky):
        def _breaking(self, data: bytes) -> Any:
            raise self._error

    store = store_of(Dead(client, 99, ReadTimeoutError(endpoint_url="http://store")))

    with pytest.raises(WorkloadError, match="can't be used: Read timeout") as failure:
        b"".join(store.read_dump(store.pin_dump(ID)))
    assert failure.value.code is Exit.OBJECT_STORE
