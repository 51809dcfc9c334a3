"""Create the platform's buckets, in AWS or on an S3 server in the cluster."""

import pulumi

import contracts
from infra.aws.cloud import Cloud
from infra.aws.replication import Replica
from infra.capabilities.artifacts.buckets import PlatformBuckets, PlatformBucketsArgs
from infra.capabilities.artifacts.s3_server import ROOT_ACCESS_KEY, Console, ObjectStore, ObjectStoreArgs
from infra.capabilities.artifacts.settings import SETUP
from infra.context import Context
from infra.limits.flows import S3_PODS
from infra.links import Artifacts, Bucket


def make_artifacts(context: Context) -> Artifacts:
    """Create the buckets, and export their names, their region and the address of their server."""
    if context.settings.artifact_store.kind == "s3" and context.cloud is not None:
        artifacts = _in_aws(context, context.cloud)
    else:
        artifacts = _in_cluster(context)
    bucket = artifacts.buckets[contracts.ARTIFACTS_BUCKET]
    pulumi.export("artifacts", bucket.address)
    pulumi.export("s3_region", bucket.region)
    pulumi.export("backups_bucket", artifacts.buckets[contracts.BACKUPS_BUCKET].bucket)
    pulumi.export("releases_bucket", artifacts.buckets[contracts.RELEASES_BUCKET].bucket)
    return artifacts


def _in_cluster(context: Context) -> Artifacts:
    settings = context.settings
    console = None
    if settings.localhost is not None:
        console = Console(url=settings.localhost.url("s3_console"), server_url=settings.localhost.url("s3"))
        pulumi.export("s3_console_url", console.url)
    server = ObjectStore(
        "s3",
        ObjectStoreArgs(
            namespace=context.namespace,
            image=settings.images.of("s3"),
            setup_image=settings.images.workloads,
            storage=settings.artifact_store.storage,
            storage_class=settings.cluster.storage_class,
            region=settings.artifact_store.region,
            traffic=context.traffic(S3_PODS),
            setup_traffic=context.traffic(SETUP),
            console=console,
        ),
        context.opts,
    )
    pulumi.export("s3_url", context.address("s3", server.url))
    # For administrators: workloads use an S3 user that owns only their bucket.
    pulumi.export("s3_root_access_key", ROOT_ACCESS_KEY)
    pulumi.export("s3_root_secret_key", server.root_secret_key)
    return Artifacts(buckets=server.buckets, ready=server)


def _in_aws(context: Context, cloud: Cloud) -> Artifacts:
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
