"""The requests that bucket policies and the replication role allow and deny, decided by an IAM simulator."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from parliament import analyze_policy_string

from infra.aws.bucket_policy import encrypted_bucket, log_bucket
from infra.aws.keys import key_policy
from infra.aws.replication import permissions, trust
from infra.limits.account import Account
from infra.limits.statements import document
from tests.support.iam import Request, allowed

ACCOUNT = Account(
    project="aegis", environment="prod", account_id="123456789012", region="eu-west-1", tags={"Environment": "prod"}
)
REPLICA = Account(
    project="aegis", environment="prod", account_id="123456789012", region="eu-central-1", tags={"Environment": "prod"}
)
BUCKET = "arn:aws:s3:::aegis-prod-artifacts-123456789012-eu-west-1"
COPY = "arn:aws:s3:::aegis-prod-artifacts-123456789012-eu-central-1"
BACKUPS = "arn:aws:s3:::aegis-prod-backups-123456789012-eu-west-1"
LOGS = "arn:aws:s3:::aegis-prod-logs-123456789012-eu-west-1"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
COPY_KEY = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
OTHER_KEY = "arn:aws:kms:eu-west-1:123456789012:key/66666666-7777-8888-9999-000000000000"

ADMINISTRATOR = document(
    {"Sid": "All", "Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"},
)
TLS = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
ALGORITHM = "s3:x-amz-server-side-encryption"
KEY_HEADER = f"{ALGORITHM}-aws-kms-key-id"

BUCKET_POLICY = encrypted_bucket(BUCKET, KEY)
LOG_POLICY = log_bucket(ACCOUNT, LOGS, {BUCKET: "artifacts/", BACKUPS: "backups/"})
REPLICATION = permissions(
    source=ACCOUNT,
    source_arns=[BUCKET],
    source_key_arn=KEY,
    replica=REPLICA,
    replica_arns=[COPY],
    replica_key_arn=COPY_KEY,
)


def of_administrator(action: str, context: Mapping[str, str], resource: str = f"{BUCKET}/mlflow/model") -> Request:
    return Request(
        principal="arn:aws:iam::123456789012:role/administrator",
        action=action,
        resource=resource,
        account=ACCOUNT.account_id,
        context=context,
        policies=[ADMINISTRATOR],
        resource_policy=BUCKET_POLICY,
    )


# Requests of an administrator, to whom IAM allows everything: only the bucket policy denies any.
REQUESTS = {
    "a read over TLS 1.3": (True, of_administrator("s3:GetObject", TLS)),
    "a read over TLS 1.2": (True, of_administrator("s3:GetObject", {**TLS, "s3:TlsVersion": "1.2"})),
    "a read over TLS 1.1": (False, of_administrator("s3:GetObject", {**TLS, "s3:TlsVersion": "1.1"})),
    "a read in the clear": (False, of_administrator("s3:GetObject", {"aws:SecureTransport": "false"})),
    "a listing in the clear": (
        False,
        of_administrator("s3:ListBucket", {"aws:SecureTransport": "false"}, resource=BUCKET),
    ),
    "a write that leaves the encryption to the bucket": (True, of_administrator("s3:PutObject", TLS)),
    "a write with the bucket's key": (
        True,
        of_administrator("s3:PutObject", {**TLS, ALGORITHM: "aws:kms", KEY_HEADER: KEY}),
    ),
    "a write with another key": (
        False,
        of_administrator("s3:PutObject", {**TLS, ALGORITHM: "aws:kms", KEY_HEADER: OTHER_KEY}),
    ),
    "a write with KMS and no key, which is S3's own": (
        False,
        of_administrator("s3:PutObject", {**TLS, ALGORITHM: "aws:kms"}),
    ),
    "a write without KMS": (False, of_administrator("s3:PutObject", {**TLS, ALGORITHM: "AES256"})),
    "a write with two layers of the bucket's key": (
        False,
        of_administrator("s3:PutObject", {**TLS, ALGORITHM: "aws:kms:dsse", KEY_HEADER: KEY}),
    ),
    "a write with a key of the caller's own": (
        False,
        of_administrator("s3:PutObject", {**TLS, f"{ALGORITHM}-customer-algorithm": "AES256"}),
    ),
}


def test_a_bucket_accepts_only_encrypted_connections_and_its_own_key() -> None:
    decisions = allowed([request for _, request in REQUESTS.values()])
    assert dict(zip(REQUESTS, decisions, strict=True)) == {name: expected for name, (expected, _) in REQUESTS.items()}


def delivery(source: str, account: str, key: str) -> Request:
    return Request(
        principal="logging.s3.amazonaws.com",
        action="s3:PutObject",
        resource=f"{LOGS}/{key}",
        account=ACCOUNT.account_id,
        context={**TLS, "aws:SourceArn": source, "aws:SourceAccount": account},
        resource_policy=LOG_POLICY,
    )


def test_the_logs_of_a_bucket_are_delivered_only_to_its_own_prefix() -> None:
    deliveries = {
        "its own": delivery(BUCKET, ACCOUNT.account_id, "artifacts/2026-01-01"),
        "to the prefix of another bucket": delivery(BUCKET, ACCOUNT.account_id, "backups/2026-01-01"),
        "of another bucket": delivery("arn:aws:s3:::elsewhere", ACCOUNT.account_id, "artifacts/2026-01-01"),
        "of another account": delivery(BUCKET, "999999999999", "artifacts/2026-01-01"),
    }
    decisions = allowed(list(deliveries.values()))
    assert [name for name, allows in zip(deliveries, decisions, strict=True) if allows] == ["its own"]


def of_replication(action: str, resource: str, context: Mapping[str, str], key_of: Account | None = None) -> Request:
    return Request(
        principal="arn:aws:iam::123456789012:role/aegis-prod-replication-eu-west-1",
        action=action,
        resource=resource,
        account=ACCOUNT.account_id,
        context=context,
        policies=[REPLICATION],
        resource_policy=None if key_of is None else key_policy(key_of),
    )


def used_for(account: Account, bucket: str) -> dict[str, str]:
    return {
        "kms:ViaService": f"s3.{account.region}.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": bucket,
    }


# The requests of S3 for a replication, and those of an attacker who has its role.
REPLICATION_REQUESTS = {
    "read a version": (True, of_replication("s3:GetObjectVersionForReplication", f"{BUCKET}/a", TLS)),
    "write a replica": (True, of_replication("s3:ReplicateObject", f"{COPY}/a", TLS)),
    "hide a replica": (True, of_replication("s3:ReplicateDelete", f"{COPY}/a", TLS)),
    "decrypt the original": (True, of_replication("kms:Decrypt", KEY, used_for(ACCOUNT, BUCKET), ACCOUNT)),
    "encrypt the replica": (True, of_replication("kms:Encrypt", COPY_KEY, used_for(REPLICA, COPY), REPLICA)),
    "download an object": (False, of_replication("s3:GetObject", f"{BUCKET}/a", TLS)),
    "overwrite an original": (False, of_replication("s3:PutObject", f"{BUCKET}/a", TLS)),
    "replicate backwards": (False, of_replication("s3:ReplicateObject", f"{BUCKET}/a", TLS)),
    "delete a version": (False, of_replication("s3:DeleteObjectVersion", f"{COPY}/a", TLS)),
    "decrypt outside of S3": (False, of_replication("kms:Decrypt", KEY, {}, ACCOUNT)),
    "decrypt another bucket": (False, of_replication("kms:Decrypt", KEY, used_for(ACCOUNT, LOGS), ACCOUNT)),
    "encrypt with the original's key": (False, of_replication("kms:Encrypt", KEY, used_for(ACCOUNT, BUCKET), ACCOUNT)),
}


def test_a_replication_may_only_read_the_source_and_write_the_replica() -> None:
    decisions = allowed([request for _, request in REPLICATION_REQUESTS.values()])
    expected = {name: decision for name, (decision, _) in REPLICATION_REQUESTS.items()}
    assert dict(zip(REPLICATION_REQUESTS, decisions, strict=True)) == expected


def test_only_s3_may_assume_the_role_of_a_replication() -> None:
    assert [each["Principal"] for each in trust()["Statement"]] == [{"Service": "s3.amazonaws.com"}]


@pytest.mark.parametrize("policy", [BUCKET_POLICY, LOG_POLICY, REPLICATION], ids=["bucket", "logs", "replication"])
def test_no_statement_allows_a_wildcard_action_or_principal(policy: dict[str, Any]) -> None:
    for each in policy["Statement"]:
        if each["Effect"] == "Allow":
            assert "*" not in json.dumps(each["Action"])
            assert "*" not in json.dumps(each.get("Principal", {}))


def test_the_iam_policy_linter_finds_nothing_in_the_replication_policy() -> None:
    assert [str(finding) for finding in analyze_policy_string(json.dumps(REPLICATION)).findings] == []
