"""The two stores of an environment: `database.kind` and `artifactStore.kind` decide who runs them."""

import pulumi
from pulumi import ResourceOptions

from infra.assembly import topology
from infra.assembly.cloud import Cloud
from infra.assembly.localhost import address
from infra.assembly.managed_buckets import managed_buckets
from infra.assembly.managed_database import managed_database
from infra.assembly.store_kinds import BucketStore, DatabaseStore
from infra.cluster.object_store import Console, ObjectStore, ObjectStoreArgs
from infra.cluster.postgres import Postgres, PostgresArgs
from infra.settings import Settings


def database_store(
    wanted: Settings, namespace: pulumi.Input[str], cloud: Cloud | None, opts: ResourceOptions
) -> DatabaseStore:
    """Make the database that the settings want."""
    if wanted.database.kind == "rds":
        if cloud is None or cloud.cluster is None:
            raise ValueError("database.kind is rds: allowed with an EKS cluster only.")
        return managed_database(wanted, namespace, cloud, cloud.cluster, opts)
    server = Postgres(
        "postgres",
        PostgresArgs(
            namespace=namespace,
            image=wanted.images.of("postgres"),
            memory=wanted.database.memory,
            storage=wanted.database.storage,
            storage_class=wanted.cluster.storage_class,
            clients=topology.POSTGRES_CLIENTS,
        ),
        opts,
    )
    return DatabaseStore(database=server.database, ready=server, peer=topology.POSTGRES)


def bucket_store(
    wanted: Settings, namespace: pulumi.Input[str], cloud: Cloud | None, opts: ResourceOptions
) -> BucketStore:
    """Make the buckets that the settings want."""
    if wanted.artifact_store.kind == "s3" and cloud is not None:
        return managed_buckets(wanted, cloud)
    console = _console(wanted)
    server = ObjectStore(
        "s3",
        ObjectStoreArgs(
            namespace=namespace,
            image=wanted.images.of("s3"),
            setup_image=wanted.images.workloads,
            storage=wanted.artifact_store.storage,
            storage_class=wanted.cluster.storage_class,
            region=wanted.artifact_store.region,
            clients=topology.S3_CLIENTS,
            console=console,
        ),
        opts,
    )
    return BucketStore(
        buckets=server.buckets,
        ready=server,
        peers=(topology.S3,),
        url=address(wanted, "s3", server.url),
        console_url=console and console.url,
        root_secret_key=server.root_secret_key,
    )


def _console(wanted: Settings) -> Console | None:
    if wanted.localhost is None:
        return None
    ports = wanted.localhost
    return Console(url=f"http://localhost:{ports.s3_console}", server_url=f"http://localhost:{ports.s3}")
