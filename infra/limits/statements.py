"""Statements of IAM policies: exact actions on exact resources, under conditions.

There are no denials, because AWS denies everything that no statement allows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

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

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policy-examples.html
PULL: Final = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
PUSH: Final = (
    *PULL,
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
)


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


def allow(
    sid: str,
    actions: Sequence[str],
    resource: object,
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    """Return the statement that allows `actions` on the ARN or ARNs `resource`, under `condition`."""
    statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
    return statement if condition is None else {**statement, "Condition": condition}
