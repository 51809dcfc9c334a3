"""The two stores of an environment: `database.kind` and `artifactStore.kind` decide who runs them.

Whatever they are, the rest of the stack sees a `Database`, the buckets, and what must be ready before their first use.
"""

from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions

from infra import topology
from infra.cluster.object_store import ObjectStore, ObjectStoreArgs
from infra.cluster.postgres import Postgres, PostgresArgs
from infra.connections import BucketAccess, Database
from infra.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseStore:
    """MLflow's database, and the resource to wait for."""

    database: Database
    ready: pulumi.Resource


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketStore:
    """The platform's buckets by name, the resource to wait for, and what an administrator needs."""

    buckets: dict[str, BucketAccess]
    ready: pulumi.Resource
    url: pulumi.Output[str]
    root_secret_key: pulumi.Output[str]


def database_store(wanted: Settings, namespace: pulumi.Input[str], opts: ResourceOptions) -> DatabaseStore:
    """Make the database that the settings want."""
    server = Postgres(
        "postgres",
        PostgresArgs(
            namespace=namespace,
            image=wanted.images.postgres,
            storage=wanted.database.storage,
            storage_class=wanted.cluster.storage_class,
            clients=topology.POSTGRES_CLIENTS,
        ),
        opts,
    )
    return DatabaseStore(database=server.database, ready=server)


def bucket_store(wanted: Settings, namespace: pulumi.Input[str], opts: ResourceOptions) -> BucketStore:
    """Make the buckets that the settings want."""
    server = ObjectStore(
        "s3",
        ObjectStoreArgs(
            namespace=namespace,
            image=wanted.images.s3,
            setup_image=wanted.images.workloads,
            storage=wanted.artifact_store.storage,
            storage_class=wanted.cluster.storage_class,
            region=wanted.artifact_store.region,
            clients=topology.S3_CLIENTS,
        ),
        opts,
    )
    return BucketStore(buckets=server.buckets, ready=server, url=server.url, root_secret_key=server.root_secret_key)
