"""Bucket policies: denials that hold whatever IAM allows, and the permission to deliver access logs.

The denials of other encryption apply only to requests with an encryption header. A request without one gets the
bucket's default encryption after the policy was evaluated, so S3 clients need no setting for it.
"""

from collections.abc import Mapping
from typing import Any, Final

import pulumi

from infra.limits.account import Account
from infra.limits.statements import Document, Statement, document

_TLS_VERSION: Final = "1.2"
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-policy-keys
_ALGORITHM: Final = "s3:x-amz-server-side-encryption"
_KEY: Final = "s3:x-amz-server-side-encryption-aws-kms-key-id"
_CUSTOMER_KEY: Final = "s3:x-amz-server-side-encryption-customer-algorithm"


def encrypted_bucket(bucket_arn: str, key_arn: pulumi.Input[str]) -> Document:
    """Return the policy of a bucket that denies writes with any other encryption than its KMS key."""
    return document(
        *_transport(bucket_arn),
        _deny_write(
            bucket_arn, "DenyOtherAlgorithms", {**_named(_ALGORITHM), "StringNotEquals": {_ALGORITHM: "aws:kms"}}
        ),
        # A negated condition also matches a request that names no key, for which S3 would use its own, `aws/s3`.
        _deny_write(bucket_arn, "DenyOtherKeys", {**_named(_ALGORITHM), "ArnNotEquals": {_KEY: key_arn}}),
        # Ransomware encrypts with a key that the caller provides: only the caller can then read the object.
        _deny_write(bucket_arn, "DenyCustomerKeys", _named(_CUSTOMER_KEY)),
    )


def log_bucket(account: Account, bucket_arn: str, prefixes: Mapping[str, str]) -> Document:
    """Return the policy of the bucket that takes access logs; `prefixes` is the prefix for each bucket's ARN.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html#grant-log-delivery-permissions-general
    """
    return document(
        *_transport(bucket_arn),
        *(
            {
                "Sid": f"AccessLogs{number}",
                "Effect": "Allow",
                "Principal": {"Service": "logging.s3.amazonaws.com"},
                "Action": "s3:PutObject",
                "Resource": f"{bucket_arn}/{prefix}*",
                "Condition": {
                    "ArnLike": {"aws:SourceArn": source},
                    "StringEquals": {"aws:SourceAccount": account.account_id},
                },
            }
            for number, (source, prefix) in enumerate(prefixes.items(), 1)
        ),
    )


def _transport(bucket_arn: str) -> tuple[Statement, Statement]:
    return (
        _deny_all(bucket_arn, "DenyWithoutTLS", {"Bool": {"aws:SecureTransport": "false"}}),
        _deny_all(bucket_arn, "DenyOldTLS", {"NumericLessThan": {"s3:TlsVersion": _TLS_VERSION}}),
    )


def _deny_all(bucket_arn: str, sid: str, condition: dict[str, Any]) -> Statement:
    # All actions, as AWS documents for this denial: any action left out could be called without TLS.
    return _deny(sid, "s3:*", [bucket_arn, f"{bucket_arn}/*"], condition)


def _deny_write(bucket_arn: str, sid: str, condition: dict[str, Any]) -> Statement:
    return _deny(sid, "s3:PutObject", f"{bucket_arn}/*", condition)


def _deny(sid: str, action: str, resource: str | list[str], condition: dict[str, Any]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": action,
        "Resource": resource,
        "Condition": condition,
    }


def _named(header: str) -> dict[str, Any]:
    return {"Null": {header: "false"}}
