"""Replication of buckets to a second region, which S3 does within minutes of each upload.

It covers only objects written after it was set up. Older objects need an S3 Batch Replication job, once and by hand.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import iam, s3

from infra.aws.bucket import SecureBucket
from infra.limits.account import REPLICATION, Account
from infra.limits.statements import Document, allow, document


@dataclass(frozen=True, kw_only=True, slots=True)
class Replica:
    """The region of the replicas: the account in that region, and its provider."""

    account: Account
    provider: pulumi.ProviderResource


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One side of a replication: the account in a region, its buckets by purpose, and their KMS key."""

    account: Account
    buckets: Mapping[str, SecureBucket]
    key_arn: pulumi.Input[str]

    def bucket_arns(self) -> list[str]:
        """Return the ARNs of the buckets."""
        return [bucket.arn for bucket in self.buckets.values()]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicationArgs:
    """Arguments of `Replication`: the source site, and the site that holds a replica of each of its buckets."""

    source: Site
    replica: Site


class Replication(pulumi.ComponentResource):
    """The replication of each bucket, including deletions; replicas are encrypted with the key of their own region."""

    def __init__(self, name: str, args: ReplicationArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:aws:Replication", name, {}, opts)
        child = ResourceOptions(parent=self)
        role, permitted = self._role(name, args, child)
        for purpose, source in args.source.buckets.items():
            replica = args.replica.buckets[purpose]
            s3.BucketReplicationConfig(
                f"{name}-{purpose}",
                bucket=source.name,
                role=role.arn,
                rules=[_rule(replica.arn, args.replica.key_arn)],
                # S3 requires versioning on both sides, and the role's policy first: it never retries an object that it
                # wasn't allowed to replicate.
                opts=ResourceOptions.merge(child, ResourceOptions(depends_on=[source, replica, permitted])),
            )
        self.register_outputs({})

    def _role(self, name: str, args: ReplicationArgs, child: ResourceOptions) -> tuple[iam.Role, iam.RolePolicy]:
        account = args.source.account
        role = iam.Role(
            f"{name}-role",
            name=account.role_name(REPLICATION),
            description=f"S3 replicates the buckets of {account.region} to {args.replica.account.region}",
            assume_role_policy=json.dumps(trust()),
            permissions_boundary=account.permissions_boundary,
            tags=account.tags,
            opts=child,
        )
        policy = iam.RolePolicy(
            f"{name}-policy",
            name="permissions",
            role=role.name,
            policy=pulumi.Output.json_dumps(
                permissions(
                    source=args.source.account,
                    source_arns=args.source.bucket_arns(),
                    source_key_arn=args.source.key_arn,
                    replica=args.replica.account,
                    replica_arns=args.replica.bucket_arns(),
                    replica_key_arn=args.replica.key_arn,
                )
            ),
            opts=child,
        )
        return role, policy


def trust() -> Document:
    """Return the trust policy of a replication's role, as AWS documents it.

    It has no condition on the source, because S3 documents none. Only a principal that may pass the role can name it in
    a replication: https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
    """
    return document(
        {
            "Sid": "Replication",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )


def permissions(
    *,
    source: Account,
    source_arns: list[str],
    source_key_arn: pulumi.Input[str],
    replica: Account,
    replica_arns: list[str],
    replica_key_arn: pulumi.Input[str],
) -> Document:
    """Return the policy of a replication's role: read versions from the source and write replicas.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html
    """
    return document(
        allow("Configuration", ["s3:GetReplicationConfiguration", "s3:ListBucket"], source_arns),
        allow(
            "Versions",
            [
                "s3:GetObjectVersionForReplication",
                "s3:GetObjectVersionAcl",
                "s3:GetObjectVersionTagging",
                # The locks of objects are replicated too.
                "s3:GetObjectRetention",
                "s3:GetObjectLegalHold",
            ],
            [f"{arn}/*" for arn in source_arns],
        ),
        allow(
            "Replicas",
            ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
            [f"{arn}/*" for arn in replica_arns],
        ),
        allow("SourceKey", ["kms:Decrypt"], source_key_arn, _used_for(source, source_arns)),
        # S3 needs to decrypt too, because it checks the integrity of a bucket key before it uses the key.
        allow(
            "ReplicaKey",
            ["kms:Encrypt", "kms:GenerateDataKey", "kms:Decrypt"],
            replica_key_arn,
            _used_for(replica, replica_arns),
        ),
    )


def _used_for(account: Account, bucket_arns: list[str]) -> dict[str, Any]:
    """Return the condition that S3 uses the key for these buckets, which are the encryption context of bucket keys."""
    return {
        "StringEquals": {
            "kms:ViaService": f"s3.{account.region}.amazonaws.com",
            "kms:EncryptionContext:aws:s3:arn": bucket_arns,
        }
    }


def _rule(replica_arn: str, key_arn: pulumi.Input[str]) -> s3.BucketReplicationConfigRuleArgsDict:
    return {
        "id": "everything",
        "status": "Enabled",
        "priority": 0,
        # All objects. Only the current form of a rule, with a filter, can replicate delete markers.
        "filter": {"prefix": ""},
        # A deletion hides the replica too. Lifecycle rules remove the old versions on both sides later.
        "delete_marker_replication": {"status": "Enabled"},
        "source_selection_criteria": {"sse_kms_encrypted_objects": {"status": "Enabled"}},
        "destination": {"bucket": replica_arn, "encryption_configuration": {"replica_kms_key_id": key_arn}},
    }
