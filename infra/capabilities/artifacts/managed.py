"""The platform's buckets in AWS."""

import pulumi

import contracts
from infra.aws.cloud import Cloud
from infra.aws.replication import Replica
from infra.capabilities.artifacts.buckets import PlatformBuckets, PlatformBucketsArgs
from infra.context import Context
from infra.links import Artifacts, Bucket


def managed_buckets(context: Context, cloud: Cloud) -> Artifacts:
    """Make the buckets, and their replicas if the settings name a second region."""
    settings = context.settings
    buckets = PlatformBuckets(
        "buckets",
        PlatformBucketsArgs(
            account=cloud.account,
            protected=cloud.protected,
            retention_days=settings.backup.retention_days,
            cold_after_days=settings.artifact_store.cold_after_days,
            backup_lock_days=settings.artifact_store.backup_lock_days,
            replica=None if cloud.replica is None else Replica(account=cloud.replica[0], provider=cloud.replica[1]),
        ),
        cloud.opts,
    )
    if cloud.api.public_endpoint is not None:
        pulumi.export("s3_url", cloud.api.public_endpoint)
    return Artifacts(
        buckets={
            purpose: Bucket(
                region=cloud.account.region,
                bucket=bucket,
                endpoint=cloud.api.endpoint,
                prefix=contracts.MLFLOW_PREFIX if purpose == contracts.ARTIFACTS_BUCKET else "",
            )
            for purpose, bucket in buckets.names.items()
        },
        ready=buckets,
        key_arn=buckets.key_arn,
    )
