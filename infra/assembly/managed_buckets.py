"""The platform's buckets in AWS."""

import contracts
from infra.assembly.cloud import Cloud
from infra.assembly.store_kinds import BucketStore
from infra.aws.buckets import PlatformBuckets, PlatformBucketsArgs, Replica
from infra.connections import BucketAccess
from infra.settings import Settings


def managed_buckets(wanted: Settings, cloud: Cloud) -> BucketStore:
    """Make the buckets, and their replicas where the settings want them."""
    settings = wanted.artifact_store
    replica = None if cloud.replica is None else Replica(account=cloud.replica[0], provider=cloud.replica[1])
    made = PlatformBuckets(
        "buckets",
        PlatformBucketsArgs(
            account=cloud.account,
            protected=cloud.protected,
            retention_days=wanted.backup.retention_days,
            cold_after_days=settings.cold_after_days,
            backup_lock_days=settings.backup_lock_days,
            replica=replica,
        ),
        cloud.opts,
    )
    return BucketStore(
        buckets={
            purpose: BucketAccess(
                region=cloud.account.region,
                bucket=bucket,
                endpoint=cloud.endpoint,
                prefix=contracts.MLFLOW_PREFIX if purpose == contracts.ARTIFACTS_BUCKET else "",
            )
            for purpose, bucket in made.names.items()
        },
        ready=made,
        peers=cloud.api,
        key_arn=made.key_arn,
        # A preview that is only sent to an emulated API shows the outputs of the account itself.
        url=cloud.endpoint if wanted.aws and wanted.aws.emulated else None,
    )
