"""KMS keys: one per store, so that whoever may read one store can't read the next."""

import json
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import kms

from infra.limits.account import Account
from infra.limits.statements import Document, Statement, document

# Days between two rotations; KMS takes 90 to 2560, and still decrypts with what was rotated out:
# https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
_ROTATION_DAYS: Final = 365
# The longest that KMS takes: until then the deletion of a key, and so of its store, can be cancelled.
_DELETION_DAYS: Final = 30
# The documented ones for encrypted logs, each by its own name.
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

    `log_groups` are the names of the log groups that CloudWatch encrypts with it, in its own name. S3, RDS, ECR and EBS
    need no permission of their own: they use a key in their caller's name, or by a grant that their caller makes.
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
        # Without its key a store is noise: Pulumi refuses to delete it.
        child = ResourceOptions(parent=self, protect=args.protected)
        key = kms.Key(
            f"{name}-key",
            description=args.description,
            enable_key_rotation=True,
            rotation_period_in_days=_ROTATION_DAYS,
            deletion_window_in_days=_DELETION_DAYS,
            policy=json.dumps(key_policy(args.account, args.log_groups)),
            tags=args.account.tags,
            # Snapshots and versions outlive a protected store that is destroyed after all, and are noise without it.
            opts=ResourceOptions.merge(child, ResourceOptions(retain_on_delete=args.protected)),
        )
        self.arn = key.arn
        kms.Alias(f"{name}-alias", name=args.account.key_alias(args.purpose), target_key_id=key.key_id, opts=child)
        self.register_outputs({"arn": self.arn})


def key_policy(account: Account, log_groups: tuple[str, ...] = ()) -> Document:
    """Return the policy of a key: IAM decides who uses it, and CloudWatch may for these log groups alone.

    The first statement is the documented one that hands the decision to the account's IAM policies; by itself it lets
    nobody in, and a key without it can become one that nobody can manage:
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    return document(
        {
            "Sid": "EnableIAMPolicies",
            "Effect": "Allow",
            "Principal": {"AWS": account.global_arn("iam", "root")},
            "Action": "kms:*",
            # In a key's policy this is the key itself.
            "Resource": "*",
        },
        *([_logs(account, log_groups)] if log_groups else []),
    )


def _logs(account: Account, log_groups: tuple[str, ...]) -> Statement:
    """Let CloudWatch use a key; it tells which group it is for, and not for which account, in the request.

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
