"""The platform's buckets in one AWS region, and optionally their replicas in another region."""

from dataclasses import dataclass, replace
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import s3

import contracts
from infra.aws import bucket_lifecycle, bucket_policy
from infra.aws.bucket import SecureBucket, SecureBucketArgs, log_prefix
from infra.aws.keys import EncryptionKey, EncryptionKeyArgs
from infra.aws.replication import Replica, Replication, ReplicationArgs, Site
from infra.limits.account import Account
from infra.limits.buckets import LOGS, PURPOSES, SOONEST_COLD_DAYS, lock_fits

# Days: enough for an audit of the previous year.
_LOG_DAYS: Final = 400
# Without the datasets: every training reads them, and the cheaper storage classes charge for reads.
_COLD_PREFIXES: Final = (contracts.MLFLOW_PREFIX, contracts.CHECKPOINTS_PREFIX)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformBucketsArgs:
    """Arguments of `PlatformBuckets`; None means never.

    Backups are kept for `retention_days`. Artifacts move to a cheaper storage class after `cold_after_days`. For
    `backup_lock_days`, deleting the versions of a backup requires `s3:BypassGovernanceRetention`.

    Raises:
        ValueError: A number of days is out of range, or the replica is in the same region.
    """

    account: Account
    protected: bool
    retention_days: int
    cold_after_days: int | None = None
    backup_lock_days: int | None = None
    replica: Replica | None = None

    def __post_init__(self) -> None:
        if self.retention_days < 1:
            raise ValueError(f"retention_days must be 1 or more, got {self.retention_days}.")
        if self.cold_after_days is not None and self.cold_after_days < SOONEST_COLD_DAYS:
            raise ValueError(f"cold_after_days must be {SOONEST_COLD_DAYS} or more, got {self.cold_after_days}.")
        if not lock_fits(self.backup_lock_days, self.retention_days):
            raise ValueError(
                f"backup_lock_days must be 1 to the {self.retention_days} days of the backups' retention, "
                f"got {self.backup_lock_days}."
            )
        if self.replica is not None and self.replica.account.region == self.account.region:
            raise ValueError(f"the replica's region must differ from the buckets' region, got {self.account.region}.")


class PlatformBuckets(pulumi.ComponentResource):
    """The buckets of artifacts, backups and releases under one key, and the bucket of their access logs.

    `names` maps the names in `contracts` to the buckets' own, which are known before the buckets exist. A resource that
    uses one must depend on this component.
    """

    names: dict[str, str]
    key_arn: pulumi.Output[str]
    buckets: dict[str, SecureBucket]

    def __init__(self, name: str, args: PlatformBucketsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:aws:PlatformBuckets", name, {}, opts)
        child = ResourceOptions(parent=self)
        self.key_arn = EncryptionKey(
            f"{name}-key",
            EncryptionKeyArgs(
                account=args.account,
                purpose="buckets",
                description=f"Objects of the {args.account.environment} environment",
                protected=args.protected,
            ),
            child,
        ).arn
        logs = _log_bucket(name, args, child)
        self.buckets = {
            purpose: SecureBucket(f"{name}-{purpose}", _bucket(purpose, args, self.key_arn, logs), child)
            for purpose in PURPOSES.values()
        }
        self.names = {key: self.buckets[purpose].name for key, purpose in PURPOSES.items()}
        if args.replica is not None:
            self._replicate(name, args, args.replica)
        self.register_outputs({"names": self.names, "key_arn": self.key_arn})

    def _replicate(self, name: str, args: PlatformBucketsArgs, replica: Replica) -> None:
        """Create the same buckets in the second region, as S3 replicates no lifecycle rules, locks or policies."""
        copies = PlatformBuckets(
            f"{name}-replica",
            replace(args, account=replica.account, replica=None),
            ResourceOptions(parent=self, providers=[replica.provider]),
        )
        Replication(
            f"{name}-replication",
            ReplicationArgs(
                source=Site(account=args.account, buckets=self.buckets, key_arn=self.key_arn),
                replica=Site(account=replica.account, buckets=copies.buckets, key_arn=copies.key_arn),
            ),
            ResourceOptions(parent=self),
        )


def _bucket(
    purpose: str, args: PlatformBucketsArgs, key_arn: pulumi.Output[str], logs: SecureBucket
) -> SecureBucketArgs:
    account = args.account
    return SecureBucketArgs(
        account=account,
        purpose=purpose,
        protected=args.protected,
        policy=bucket_policy.encrypted_bucket(account.bucket_arn(account.bucket_name(purpose)), key_arn),
        lifecycle=_lifecycle(purpose, args),
        key_arn=key_arn,
        logs=logs,
        lock_days=args.backup_lock_days if purpose == PURPOSES[contracts.BACKUPS_BUCKET] else None,
    )


def _lifecycle(purpose: str, args: PlatformBucketsArgs) -> list[s3.BucketLifecycleConfigurationRuleArgsDict]:
    if purpose == PURPOSES[contracts.BACKUPS_BUCKET]:
        return bucket_lifecycle.backups(args.retention_days)
    if purpose == PURPOSES[contracts.ARTIFACTS_BUCKET] and args.cold_after_days is not None:
        return bucket_lifecycle.housekeeping() + bucket_lifecycle.cold_storage(_COLD_PREFIXES, args.cold_after_days)
    return bucket_lifecycle.housekeeping()


def _log_bucket(name: str, args: PlatformBucketsArgs, child: ResourceOptions) -> SecureBucket:
    """Create the bucket of access logs, encrypted with S3's own key, as S3 can't deliver logs with a KMS key.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """
    account = args.account
    prefixes = {account.bucket_arn(account.bucket_name(purpose)): log_prefix(purpose) for purpose in PURPOSES.values()}
    return SecureBucket(
        f"{name}-{LOGS}",
        SecureBucketArgs(
            account=account,
            purpose=LOGS,
            protected=args.protected,
            policy=bucket_policy.log_bucket(account, account.bucket_arn(account.bucket_name(LOGS)), prefixes),
            lifecycle=bucket_lifecycle.housekeeping(expire_after_days=_LOG_DAYS),
        ),
        child,
    )
