"""One bucket with every protection that S3 has."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import s3

from infra.limits.account import Account
from infra.limits.statements import Document


@dataclass(frozen=True, kw_only=True, slots=True)
class SecureBucketArgs:
    """Arguments of `SecureBucket`.

    `key_arn` is the KMS key of its objects, None for S3's own key. `logs` is the bucket of its access logs, which is in
    the same region, None for that bucket itself: it would log that it logs. `lock_days` is how long no version can be
    deleted, None for no lock; it can't be switched on or off later.
    """

    account: Account
    purpose: str
    protected: bool
    policy: Document
    lifecycle: Sequence[s3.BucketLifecycleConfigurationRuleArgsDict]
    key_arn: pulumi.Input[str] | None = None
    logs: "SecureBucket | None" = None
    lock_days: int | None = None


class SecureBucket(pulumi.ComponentResource):
    """A private, versioned and encrypted bucket, whose `name` is known before it is made."""

    name: str
    arn: str

    def __init__(self, name: str, args: SecureBucketArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:aws:SecureBucket", name, {}, opts)
        # With all that guards it: a destroy takes that first, so that the objects would be left without.
        child = ResourceOptions(parent=self, protect=args.protected)
        self.name = args.account.bucket_name(args.purpose)
        self.arn = args.account.bucket_arn(self.name)
        bucket = s3.Bucket(
            f"{name}-bucket",
            bucket=self.name,
            object_lock_enabled=args.lock_days is not None,
            force_destroy=not args.protected,
            tags=args.account.tags,
            opts=child,
        ).bucket
        versioning = s3.BucketVersioning(
            f"{name}-versioning", bucket=bucket, versioning_configuration={"status": "Enabled"}, opts=child
        )
        # S3 refuses rules about old versions, and locks, where there are no versions.
        versioned = ResourceOptions.merge(child, ResourceOptions(depends_on=[versioning]))
        s3.BucketLifecycleConfiguration(f"{name}-lifecycle", bucket=bucket, rules=args.lifecycle, opts=versioned)
        if args.lock_days is not None:
            s3.BucketObjectLockConfiguration(
                f"{name}-lock",
                bucket=bucket,
                # Not COMPLIANCE, which not even the account's owner could end.
                rule={"default_retention": {"mode": "GOVERNANCE", "days": args.lock_days}},
                opts=versioned,
            )
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption", bucket=bucket, rules=[_encryption(args.key_arn)], opts=child
        )
        self._guard(name, args, bucket, child)
        self.register_outputs({"name": self.name, "arn": self.arn})

    def _guard(self, name: str, args: SecureBucketArgs, bucket: pulumi.Output[str], child: ResourceOptions) -> None:
        """Keep everybody out whom the policy and IAM don't let in, and write down who came."""
        s3.BucketOwnershipControls(
            f"{name}-ownership", bucket=bucket, rule={"object_ownership": "BucketOwnerEnforced"}, opts=child
        )
        private = s3.BucketPublicAccessBlock(
            f"{name}-public-access",
            bucket=bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket,
            policy=pulumi.Output.json_dumps(args.policy),
            # S3 answers with a conflict where both are set at once.
            opts=ResourceOptions.merge(child, ResourceOptions(depends_on=[private])),
        )
        if args.logs is not None:
            s3.BucketLogging(
                f"{name}-logging",
                bucket=bucket,
                target_bucket=args.logs.name,
                target_prefix=log_prefix(args.purpose),
                # Of the whole component: its policy is what lets the logs in.
                opts=ResourceOptions.merge(child, ResourceOptions(depends_on=[args.logs])),
            )


def log_prefix(purpose: str) -> str:
    """Return where the access logs of the bucket for `purpose` lie."""
    return f"{purpose}/"


def _encryption(key_arn: pulumi.Input[str] | None) -> s3.BucketServerSideEncryptionConfigurationRuleArgsDict:
    if key_arn is None:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    return {
        "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn},
        # One call to KMS for many objects, instead of one for each.
        "bucket_key_enabled": True,
    }
