"""Makes the buckets where the settings want them."""

import pulumi

import contracts
from infra.capabilities.artifacts.managed import managed_buckets
from infra.capabilities.artifacts.s3_server import ROOT_ACCESS_KEY, Console, ObjectStore, ObjectStoreArgs
from infra.capabilities.artifacts.settings import SETUP
from infra.context import Context
from infra.limits.flows import S3_PODS
from infra.links import Artifacts


def make_artifacts(context: Context) -> Artifacts:
    """Make the buckets, and export their names and how people reach them."""
    if context.settings.artifact_store.kind == "s3" and context.cloud is not None:
        artifacts = managed_buckets(context, context.cloud)
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
    # What an administrator needs to look behind the server.
    pulumi.export("s3_root_access_key", ROOT_ACCESS_KEY)
    pulumi.export("s3_root_secret_key", server.root_secret_key)
    return Artifacts(buckets=server.buckets, ready=server)
