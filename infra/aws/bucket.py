"""S3 buckets: private, versioned, encrypted, and with access logs."""

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

    `key_arn` is the KMS key of the objects, None for S3's own key. `logs` is the bucket in the same region that takes
    the access logs; the log bucket itself has None, because each log that it takes would cause another one.
    `lock_days` is the number of days for which no version can be deleted, None for no lock; a lock can't be added or
    removed later.
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
    """A private, versioned and encrypted bucket. `name` and `arn` are known before the bucket is made."""

    name: str
    arn: str

    def __init__(self, name: str, args: SecureBucketArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:aws:SecureBucket", name, {}, opts)
        # Protected, because the objects can't be restored. Its policy, lock and encryption are protected too: a destroy
        # would remove them before it fails on the bucket, and leave the objects without them.
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
        # S3 refuses locks, and rules about old versions, in a bucket without versioning.
        versioned = ResourceOptions.merge(child, ResourceOptions(depends_on=[versioning]))
        s3.BucketLifecycleConfiguration(f"{name}-lifecycle", bucket=bucket, rules=args.lifecycle, opts=versioned)
        if args.lock_days is not None:
            s3.BucketObjectLockConfiguration(
                f"{name}-lock",
                bucket=bucket,
                # Not COMPLIANCE: not even the account's root user could remove that lock.
                rule={"default_retention": {"mode": "GOVERNANCE", "days": args.lock_days}},
                opts=versioned,
            )
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption", bucket=bucket, rules=[_encryption(args.key_arn)], opts=child
        )
        self._guard(name, args, bucket, child)
        self.register_outputs({"name": self.name, "arn": self.arn})

    def _guard(self, name: str, args: SecureBucketArgs, bucket: pulumi.Output[str], child: ResourceOptions) -> None:
        """Block public access, apply the bucket policy and log each access."""
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
            # S3 answers with a conflict if both are set at the same time.
            opts=ResourceOptions.merge(child, ResourceOptions(depends_on=[private])),
        )
        if args.logs is not None:
            s3.BucketLogging(
                f"{name}-logging",
                bucket=bucket,
                target_bucket=args.logs.name,
                target_prefix=log_prefix(args.purpose),
                # Wait for the whole component, because its bucket policy allows the delivery of logs.
                opts=ResourceOptions.merge(child, ResourceOptions(depends_on=[args.logs])),
            )


def log_prefix(purpose: str) -> str:
    """Return the prefix, in the log bucket, of the access logs of the bucket for `purpose`."""
    return f"{purpose}/"


def _encryption(key_arn: pulumi.Input[str] | None) -> s3.BucketServerSideEncryptionConfigurationRuleArgsDict:
    if key_arn is None:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    return {
        "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn},
        # One call to KMS for many objects instead of one for each object.
        "bucket_key_enabled": True,
    }
