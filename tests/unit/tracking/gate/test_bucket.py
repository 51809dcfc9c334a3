"""The listing of a bucket: boto3's own, for a third of its time."""

from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from workloads.tracking.gate import bucket_page
from workloads.tracking.gate.bucket_folder import BucketFolder

KEYS = ("plain", "a b+c%20", "é/ü & <x>", "folder/", "x" * 200)


@pytest.fixture
def folder(bucket: str) -> BucketFolder:
    for key in KEYS:
        boto3.client("s3").put_object(Bucket=bucket, Key=f"models/{key}", Body=b"" if key.endswith("/") else b"123")
    return BucketFolder(bucket, "models/")


def no_listing(client: Any, **_: str) -> None:
    raise AssertionError("boto3 listed the bucket")


@pytest.mark.parametrize("owner", [None, "123456789012"])
@pytest.mark.parametrize("at_once", ["2", "1000"])
def test_the_listing_is_that_of_boto3(
    folder: BucketFolder, monkeypatch: pytest.MonkeyPatch, at_once: str, owner: str | None
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", at_once)
    monkeypatch.setattr(BucketFolder, "_owner", {"ExpectedBucketOwner": owner} if owner else {})
    with monkeypatch.context() as slow:
        slow.setattr(bucket_page, "page", lambda *_: None)
        expected = folder.list()
    with monkeypatch.context() as quick:
        quick.setattr(folder._client, "list_objects_v2", no_listing)
        listed = folder.list()
    assert listed.fingerprint == expected.fingerprint
    assert listed.changed == expected.changed
    assert listed.taken >= expected.taken > 0
    assert {file.path for file in listed.files} == {key for key in KEYS if key != "folder/"}


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (403, b"<Error><Code>AccessDenied</Code></Error>"),
        (503, b"<Error><Code>SlowDown</Code></Error>"),
        (200, b""),
        (200, b"<html/>"),
        (200, b"<ListBucketResult></ListBucketResult>"),
        (200, b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
        (
            200,
            b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents></ListBucketResult>",
        ),
    ],
)
def test_any_other_answer_is_left_to_boto3(
    folder: BucketFolder, monkeypatch: pytest.MonkeyPatch, status: int, content: bytes
) -> None:
    answer = SimpleNamespace(status_code=status, content=content, headers={})
    with monkeypatch.context() as broken:
        broken.setattr(folder._client._endpoint, "http_session", SimpleNamespace(send=lambda _: answer))
        assert bucket_page.page(folder._client, {"Bucket": folder.bucket, "Prefix": folder.prefix}) is None
    monkeypatch.setattr(bucket_page, "page", lambda *_: None)
    assert len(folder.list().files) == len(KEYS) - 1
