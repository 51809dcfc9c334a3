"""Statements of IAM policies: exact actions on exact resources, under conditions.

There are no denials, because AWS denies everything that no statement allows.
"""

from dataclasses import dataclass
from typing import Any, Final

from infra.limits.account import Account

Statement = dict[str, Any]
Document = dict[str, Any]

READ: Final = ("s3:GetObject",)
READ_VERSIONS: Final = ("s3:GetObject", "s3:GetObjectVersion")
# Large objects are uploaded in parts.
WRITE: Final = ("s3:PutObject", "s3:AbortMultipartUpload")
# In a versioned bucket this hides an object but keeps its versions.
DELETE: Final = ("s3:DeleteObject",)

LIST: Final = ("s3:ListBucket",)
LIST_VERSIONS: Final = ("s3:ListBucket", "s3:ListBucketVersions")

DECRYPT: Final = ("kms:Decrypt",)
# An upload in parts has to decrypt its own data key for each part.
ENCRYPT: Final = ("kms:Decrypt", "kms:GenerateDataKey")


@dataclass(frozen=True, kw_only=True, slots=True)
class EncryptedBucket:
    """A bucket in AWS, and the ARN of the KMS key of its objects."""

    name: str
    key_arn: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AdminSecret:
    """The ARNs of the secret with the password of the RDS administrator and of the KMS key that encrypts it."""

    arn: str
    key_arn: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseUser:
    """A database user in RDS; `resource_id` is that of the server (`db-...`), which a rename doesn't change."""

    resource_id: str
    user: str


def document(*statements: Statement) -> Document:
    """Return the policy document of `statements`."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def objects(sid: str, account: Account, bucket: EncryptedBucket, prefix: str, actions: tuple[str, ...]) -> Statement:
    """Allow `actions` on the objects of `bucket` below the folder `prefix`, "" for all objects."""
    return _allow(
        sid, actions, f"{account.bucket_arn(bucket.name)}/{_folder(prefix)}*", {"StringEquals": _own(account)}
    )


def listing(
    sid: str, account: Account, bucket: EncryptedBucket, prefixes: tuple[str, ...], actions: tuple[str, ...] = LIST
) -> Statement:
    """Allow listing `bucket` below the folders `prefixes`."""
    below = {"StringLike": {"s3:prefix": [f"{_folder(prefix)}*" for prefix in prefixes]}}
    return _allow(sid, actions, account.bucket_arn(bucket.name), {"StringEquals": _own(account), **below})


def whole_bucket(sid: str, account: Account, bucket: EncryptedBucket, actions: tuple[str, ...]) -> Statement:
    """Allow `actions` on the bucket itself."""
    return _allow(sid, actions, account.bucket_arn(bucket.name), {"StringEquals": _own(account)})


def bucket_key(sid: str, account: Account, bucket: EncryptedBucket, actions: tuple[str, ...]) -> Statement:
    """Allow S3 to use the KMS key of `bucket` on the caller's behalf, for that bucket only.

    With an S3 bucket key the encryption context is the bucket's ARN instead of the object's:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html#bucket-key-changes
    """
    condition = {
        "kms:ViaService": f"s3.{account.region}.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": account.bucket_arn(bucket.name),
    }
    return _allow(sid, actions, bucket.key_arn, {"StringEquals": condition})


def database_login(sid: str, account: Account, database: DatabaseUser) -> Statement:
    """Allow login tokens for one user of one database server.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.IAMPolicy.html
    """
    return _allow(
        sid, ("rds-db:connect",), account.arn("rds-db", f"dbuser:{database.resource_id}/{database.user}"), None
    )


def secret(sid: str, arn: str) -> Statement:
    """Allow reading one secret in Secrets Manager."""
    return _allow(sid, ("secretsmanager:GetSecretValue",), arn, None)


def secret_key(sid: str, account: Account, admin: AdminSecret) -> Statement:
    """Allow Secrets Manager to decrypt one secret on the caller's behalf.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html#security-encryption-encryption-context
    """
    condition = {
        "kms:ViaService": f"secretsmanager.{account.region}.amazonaws.com",
        "kms:EncryptionContext:SecretARN": admin.arn,
    }
    return _allow(sid, DECRYPT, admin.key_arn, {"StringEquals": condition})


def _allow(sid: str, actions: tuple[str, ...], resource: str, condition: dict[str, Any] | None) -> Statement:
    statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
    return statement if condition is None else {**statement, "Condition": condition}


def _own(account: Account) -> dict[str, str]:
    # The ARN of a bucket contains no account. Without this condition, another account that took the name of a deleted
    # bucket would receive our objects.
    return {"s3:ResourceAccount": account.account_id}


def _folder(prefix: str) -> str:
    return f"{prefix}/" if prefix else ""
