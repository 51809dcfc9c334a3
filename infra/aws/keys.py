"""KMS keys: one for each store, so that the permission to read one store doesn't open another."""

import json
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import kms

from infra.limits.account import Account
from infra.limits.statements import Document, Statement, document

# Days between rotations; KMS accepts 90 to 2560, and still decrypts with older key material:
# https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
_ROTATION_DAYS: Final = 365
# Days until a deleted key is gone, the longest that KMS accepts. Until then the deletion can be cancelled.
_DELETION_DAYS: Final = 30
# The actions that AWS documents for encrypted logs, without their wildcards.
_LOGS_ACTIONS: Final = (
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:GenerateDataKey",
    "kms:DescribeKey",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EncryptionKeyArgs:
    """Arguments of `EncryptionKey`.

    `log_groups` are the names of the log groups that CloudWatch encrypts with the key, for which it needs permission
    itself. S3, RDS, ECR and EBS need none: they use the key on behalf of their caller, or by a grant from the caller.
    """

    account: Account
    purpose: str
    description: str
    protected: bool
    log_groups: tuple[str, ...] = ()


class EncryptionKey(pulumi.ComponentResource):
    """A symmetric key that rotates each year, with the alias `alias/PROJECT-ENVIRONMENT-PURPOSE`."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: EncryptionKeyArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:aws:EncryptionKey", name, {}, opts)
        # Protected, because a store can't be decrypted without its key.
        child = ResourceOptions(parent=self, protect=args.protected)
        key = kms.Key(
            f"{name}-key",
            description=args.description,
            enable_key_rotation=True,
            rotation_period_in_days=_ROTATION_DAYS,
            deletion_window_in_days=_DELETION_DAYS,
            policy=json.dumps(key_policy(args.account, args.log_groups)),
            tags=args.account.tags,
            # Retained, because snapshots and old versions outlive a protected store that is destroyed after all, and
            # can't be decrypted without the key.
            opts=ResourceOptions.merge(child, ResourceOptions(retain_on_delete=args.protected)),
        )
        self.arn = key.arn
        kms.Alias(f"{name}-alias", name=args.account.key_alias(args.purpose), target_key_id=key.key_id, opts=child)
        self.register_outputs({"arn": self.arn})


def key_policy(account: Account, log_groups: tuple[str, ...] = ()) -> Document:
    """Return the policy of a key: IAM policies decide who uses it, and CloudWatch may use it for `log_groups` only.

    The first statement is AWS's documented one, which leaves the decision to the account's IAM policies and allows
    nothing by itself. A key without it can become unmanageable:
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    return document(
        {
            "Sid": "EnableIAMPolicies",
            "Effect": "Allow",
            "Principal": {"AWS": account.global_arn("iam", "root")},
            "Action": "kms:*",
            # In a key policy this means the key itself.
            "Resource": "*",
        },
        *([_logs(account, log_groups)] if log_groups else []),
    )


def _logs(account: Account, log_groups: tuple[str, ...]) -> Statement:
    """Allow CloudWatch to use a key for `log_groups`; its requests name the log group, but no source account.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    arns = [account.arn("logs", f"log-group:{name}") for name in log_groups]
    return {
        "Sid": "EncryptLogs",
        "Effect": "Allow",
        "Principal": {"Service": f"logs.{account.region}.amazonaws.com"},
        "Action": list(_LOGS_ACTIONS),
        "Resource": "*",
        "Condition": {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": arns}},
    }
