"""KMS keys: one per store, so that whoever may read one store can't read the next."""

import json
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import kms

from infra.aws.account import Account
from infra.aws.statements import Document, Statement, document

# Days between two rotations; KMS takes 90 to 2560, and still decrypts with what was rotated out:
# https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
_ROTATION_DAYS: Final = 365
# The longest that KMS takes: until then the deletion of a key, and so of its store, can be cancelled.
_DELETION_DAYS: Final = 30
# What a service does with the data of its customers, each action by its own name.
_SERVICE_ACTIONS: Final = (
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

    `services` are the principals, such as `logs.eu-west-1.amazonaws.com`, that use the key in their own name. S3, RDS,
    ECR and EBS are none: they use it in their caller's name, or by a grant that their caller makes.
    """

    account: Account
    purpose: str
    description: str
    protected: bool
    services: tuple[str, ...] = ()


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
            policy=json.dumps(key_policy(args.account, args.services)),
            tags=args.account.tags,
            opts=child,
        )
        self.arn = key.arn
        kms.Alias(
            f"{name}-alias", name=f"alias/{args.account.name(args.purpose)}", target_key_id=key.key_id, opts=child
        )
        self.register_outputs({"arn": self.arn})


def key_policy(account: Account, services: tuple[str, ...] = ()) -> Document:
    """Return the policy of a key: IAM decides who uses it, and `services` may on behalf of this account alone.

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
        *(_service(account, service) for service in services),
    )


def _service(account: Account, service: str) -> Statement:
    return {
        "Sid": "".join(
            part.capitalize() for part in service.removesuffix(".amazonaws.com").replace("-", ".").split(".")
        ),
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": list(_SERVICE_ACTIONS),
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceAccount": account.account_id}},
    }
