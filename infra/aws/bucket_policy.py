"""What the policies of buckets say: who is turned away whatever IAM allows them, and the one service that is let in.

The denials name a header only where a request bears it: one without gets the bucket's default encryption, after the
policy was evaluated. So clients need no setting, and can't have a wrong one.
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
    """Return the policy of a bucket whose objects are encrypted with one KMS key, whatever their writers ask for."""
    return document(
        *_transport(bucket_arn),
        _deny_write(
            bucket_arn, "DenyOtherAlgorithms", {**_named(_ALGORITHM), "StringNotEquals": {_ALGORITHM: "aws:kms"}}
        ),
        # A negated condition also holds where the key is not named: S3 would take its own, `aws/s3`.
        _deny_write(bucket_arn, "DenyOtherKeys", {**_named(_ALGORITHM), "ArnNotEquals": {_KEY: key_arn}}),
        # With a key of the caller's, who alone could read the object then: what ransomware does.
        _deny_write(bucket_arn, "DenyCustomerKeys", _named(_CUSTOMER_KEY)),
    )


def log_bucket(account: Account, bucket_arn: str, prefixes: Mapping[str, str]) -> Document:
    """Return the policy of the bucket that takes access logs: of each bucket in `prefixes`, by ARN, to its own prefix.

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
    # Every action, as documented for this denial: one that is left out could be called in the clear.
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
