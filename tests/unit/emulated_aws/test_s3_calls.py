"""Each S3 request requires the actions that AWS's reference lists for it."""

from collections.abc import Mapping

import pytest

from local.aws.s3_calls import Request, calls

OBJECT = "arn:aws:s3:::artifacts/mlflow/1"
BUCKET = "arn:aws:s3:::artifacts"


def needed(method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> list[str]:
    path, _, query = target.partition("?")
    request = Request(method=method, path=path, query=query, headers=headers or {}, body=body)
    return [f"{call.action.removeprefix('s3:')} {call.resource}" for call in calls(request)]


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/artifacts/mlflow/1", f"GetObject {OBJECT}"),
        ("HEAD", "/artifacts/mlflow/1", f"GetObject {OBJECT}"),
        ("GET", "/artifacts/mlflow/1?versionId=7", f"GetObjectVersion {OBJECT}"),
        ("PUT", "/artifacts/mlflow/1", f"PutObject {OBJECT}"),
        ("PUT", "/artifacts/mlflow/1?partNumber=1&uploadId=u", f"PutObject {OBJECT}"),
        ("POST", "/artifacts/mlflow/1?uploads", f"PutObject {OBJECT}"),
        ("DELETE", "/artifacts/mlflow/1", f"DeleteObject {OBJECT}"),
        ("DELETE", "/artifacts/mlflow/1?versionId=7", f"DeleteObjectVersion {OBJECT}"),
        ("DELETE", "/artifacts/mlflow/1?uploadId=u", f"AbortMultipartUpload {OBJECT}"),
        ("PUT", "/artifacts/mlflow/1?acl", f"PutObjectAcl {OBJECT}"),
        ("GET", "/artifacts/mlflow/1?tagging", f"GetObjectTagging {OBJECT}"),
        ("GET", "/artifacts?list-type=2&prefix=mlflow", f"ListBucket {BUCKET}"),
        ("HEAD", "/artifacts", f"ListBucket {BUCKET}"),
        ("GET", "/artifacts?versions", f"ListBucketVersions {BUCKET}"),
        ("GET", "/artifacts?location", f"GetBucketLocation {BUCKET}"),
        ("PUT", "/artifacts?policy", f"PutBucketPolicy {BUCKET}"),
        ("DELETE", "/artifacts?encryption", f"PutEncryptionConfiguration {BUCKET}"),
        ("PUT", "/artifacts", f"CreateBucket {BUCKET}"),
        ("GET", "/", "ListAllMyBuckets *"),
    ],
)
def test_a_request_maps_to_its_call(method: str, target: str, expected: str) -> None:
    assert needed(method, target) == [expected]


def test_a_copy_also_reads_its_source() -> None:
    assert needed("PUT", "/artifacts/mlflow/1", {"x-amz-copy-source": "/releases/a%20b?versionId=1"}) == [
        f"PutObject {OBJECT}",
        "GetObject arn:aws:s3:::releases/a b",
    ]


def test_a_bulk_deletion_requires_permission_for_each_object() -> None:
    body = (
        b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>1</VersionId></Object></Delete>"
    )
    assert needed("POST", "/artifacts?delete", body=body) == [
        f"DeleteObject {BUCKET}/a",
        f"DeleteObjectVersion {BUCKET}/b",
    ]


def test_a_listing_has_its_prefix_as_a_condition_key() -> None:
    request = Request(method="GET", path="/artifacts", query="list-type=2&prefix=mlflow%2F1", headers={})
    assert calls(request)[0].context["s3:prefix"] == "mlflow/1"
