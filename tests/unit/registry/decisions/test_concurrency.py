"""Promotions and rollbacks at the same time: each record has one winner, and MLflow follows the last one."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from mlflow import MlflowClient
from moto import mock_aws

from aegis.errors import NotVerifiedError
from contracts import Exit
from tests.support.decisions import decide_at_once
from tests.support.registered import SignedModel
from tests.support.verdict import Verdict
from workloads import retry
from workloads.cli import WorkloadError
from workloads.registry.decisions.history import history
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.moves import Promotion, nominate, promote, rollback
from workloads.release import bucket as buckets
from workloads.release.bucket import Bucket
from workloads.release.folder import Folder
from workloads.release.store import ReleaseStore


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry soon: SQLite lets one process write at a time."""
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0.05)


def test_of_24_decisions_at_once_each_record_has_one_winner(ledger: Ledger, model: SignedModel) -> None:
    model.add()
    tally = decide_at_once(ledger, ["1", "2", "3"], decisions=24, at_a_time=8)
    assert tally.unexpected == []
    assert tally.moved + tally.lost + tally.unchanged == 24
    found = history(ledger.tracking, ledger.store, ledger.model, ledger.trusted)
    assert found.problems == []
    assert len(found.records) == tally.moved > 0
    assert model.alias("champion") == found.records[-1].decision.to_version


def test_the_loser_is_told_who_won_and_writes_nothing(ledger: Ledger, model: SignedModel) -> None:
    promote(ledger, Promotion(version="1"), Verdict())
    model.add()
    slow = Verdict(meanwhile=lambda: promote(replace(ledger, by="grace"), Promotion(version="3"), Verdict()))
    told = r"nothing moved: .* record 2 was written, promote of version 3 .* by grace"
    with pytest.raises(WorkloadError, match=told) as failure:
        promote(ledger, Promotion(version="2"), slow)
    assert failure.value.code is Exit.CONFLICT
    assert model.alias("champion") == "3"
    found = history(ledger.tracking, ledger.store, ledger.model, ledger.trusted)
    assert (found.problems, len(found.records)) == ([], 2)


def test_a_decision_that_came_and_went_counts_as_one(ledger: Ledger, model: SignedModel) -> None:
    """The champion is again the one that the policy compared with, but the rollback must not be undone unseen."""
    promote(ledger, Promotion(version="1"), Verdict())

    def there_and_back() -> None:
        promote(ledger, Promotion(version="2"), Verdict())
        rollback(ledger)

    slow = Verdict(meanwhile=there_and_back)
    with pytest.raises(WorkloadError) as failure:
        promote(ledger, Promotion(version="2"), slow)
    assert failure.value.code is Exit.CONFLICT
    assert model.alias("champion") == "1"


def test_a_nomination_does_not_stop_a_promotion(ledger: Ledger, model: SignedModel) -> None:
    slow = Verdict(meanwhile=lambda: nominate(ledger, "2"))
    outcome = promote(ledger, Promotion(version="1"), slow)
    assert (outcome.record, model.alias("champion"), model.alias("candidate")) == (2, "1", "2")
    assert history(ledger.tracking, ledger.store, ledger.model, ledger.trusted).verified


def test_a_late_writer_of_aliases_makes_way_for_the_last_record(
    ledger: Ledger, model: SignedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process sets the alias of its record after another has already set that of the next record."""
    original = MlflowClient.set_registered_model_alias
    done: list[str] = []

    def late(client: MlflowClient, name: str, alias: str, version: str) -> None:
        if not done:
            done.append(version)
            promote(replace(ledger, by="grace"), Promotion(version="2"), Verdict())
            assert model.alias("champion") == "2"
        original(client, name, alias, version)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", late)
    assert promote(ledger, Promotion(version="1"), Verdict()).record == 1
    assert done == ["1"]
    assert model.alias("champion") == "2"
    assert history(ledger.tracking, ledger.store, ledger.model, ledger.trusted).verified


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseStore]:
    if request.param == "folder":
        yield Folder(root=tmp_path)
        return
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="releases")
        yield Bucket.connect("releases")


def test_a_file_is_created_once(store: ReleaseStore) -> None:
    assert store.create("m/decisions", "00000001.json", b"first")
    assert not store.create("m/decisions", "00000001.json", b"second")
    assert store.create("m/decisions", "00000010.json", b"")
    assert store.read("m/decisions", "00000001.json") == b"first"
    assert store.read("m/decisions", "00000001.json", 2) == b"fi"
    assert store.read("m/decisions", "00000002.json") is None
    assert list(store.names("m/decisions")) == ["00000001.json", "00000010.json"]
    assert list(store.names("m/decisions", "00000001.json")) == ["00000010.json"]
    assert list(store.names("n/decisions")) == []
    assert list(store.folders("m")) == ["m/decisions"]


def test_of_many_writers_in_a_folder_one_creates_the_file(tmp_path: Path) -> None:
    folder = Folder(root=tmp_path)
    with ThreadPoolExecutor(16) as pool:
        for number in range(20):
            contents = [f"{number} {writer}".encode() * 1000 for writer in range(16)]
            created = list(pool.map(lambda content, name=str(number): folder.create("d", name, content), contents))
            assert created.count(True) == 1
            assert folder.read("d", str(number)) == contents[created.index(True)]
    assert all(not path.name.endswith(".partial") for path in tmp_path.rglob("*"))


def failing(code: str, status: int, times: int, bucket: Bucket, *, before: bool) -> Callable[..., Any]:
    """Return a `put_object` that fails for some calls, before or after it wrote."""
    original = bucket.client.put_object
    left = [times]

    def put(**arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            if not before:
                original(**arguments)
            metadata = {"HTTPStatusCode": status}
            raise ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "PutObject")
        return original(**arguments)

    return put


@pytest.mark.parametrize("store", ["bucket"], indirect=True)
def test_a_write_whose_answer_was_lost_is_recognized(store: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.client, "put_object", failing("PreconditionFailed", 412, 1, store, before=False))
    assert store.create("d", "1", b"mine")


@pytest.mark.parametrize("store", ["bucket"], indirect=True)
def test_a_write_that_meets_another_one_is_tried_again(store: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_BUSY_SECONDS", 0)
    monkeypatch.setattr(store.client, "put_object", failing("ConditionalRequestConflict", 409, 3, store, before=True))
    assert store.create("d", "1", b"mine")
    monkeypatch.setattr(store.client, "put_object", failing("409", 409, 99, store, before=True))
    with pytest.raises(WorkloadError, match="is being written by others all the time"):
        store.create("d", "2", b"mine")


@pytest.mark.parametrize("store", ["bucket"], indirect=True)
def test_an_object_store_that_ignores_the_condition_is_refused(
    store: Bucket, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = store.client.put_object
    monkeypatch.setattr(store.client, "put_object", lambda IfNoneMatch, **others: original(**others))  # noqa: N803 - boto3's names
    with pytest.raises(NotVerifiedError, match="ignores `If-None-Match"):
        nominate(replace(ledger, store=store), "1")


@pytest.mark.parametrize("store", ["bucket"], indirect=True)
def test_decisions_are_kept_in_a_bucket(store: Bucket, ledger: Ledger, model: SignedModel) -> None:
    in_bucket = replace(ledger, store=store)
    nominate(in_bucket, "1")
    outcome = promote(in_bucket, Promotion(), Verdict())
    assert outcome.record_uri == f"s3://releases/{model.name}/decisions/00000002.json"
    assert history(ledger.tracking, store, ledger.model, ledger.trusted).verified
