"""MLflow in an environment: its schema first, then the server, and the backups of what it keeps."""

import pulumi
from pulumi import ResourceOptions

import contracts
from infra.assembly import topology
from infra.assembly.roles import Roles
from infra.assembly.store_kinds import BucketStore, DatabaseStore
from infra.assembly.teams import team_namespaces
from infra.cluster.backup import Backup, BackupArgs
from infra.cluster.connection_budget import ConnectionPool, fitting_pool
from infra.cluster.migration import Migration, MigrationArgs
from infra.cluster.mlflow import Autoscaling, Mlflow, MlflowArgs
from infra.settings import Settings
from infra.settings.capacity import database_connections


def tracking_server(
    wanted: Settings,
    namespace: pulumi.Input[str],
    databases: DatabaseStore,
    buckets: BucketStore,
    roles: Roles,
    opts: ResourceOptions,
) -> Mlflow:
    """Make the server that the settings want, between its two stores."""
    migration = Migration(
        "migration",
        MigrationArgs(
            namespace=namespace,
            image=wanted.images.workloads,
            database=databases.database,
            servers=(databases.peer, *(roles.cloud.api if roles.cloud else ())),
            identity=roles.migration(),
        ),
        # The database must take connections before the Job's few retries run out.
        _after(opts, databases.ready),
    )
    settings = wanted.mlflow
    server = Mlflow(
        "mlflow",
        MlflowArgs(
            namespace=namespace,
            image=wanted.images.mlflow,
            database=databases.database,
            artifacts=buckets.buckets[contracts.ARTIFACTS_BUCKET],
            stores=(databases.peer, *buckets.peers),
            workers=settings.workers,
            pool=_pool(wanted),
            autoscaling=Autoscaling(
                min_replicas=settings.min_replicas,
                max_replicas=settings.max_replicas,
                cpu_target=settings.cpu_target,
                memory_target=settings.memory_target,
            ),
            cluster_domain=wanted.cluster.domain,
            # What doesn't run is let in nowhere.
            clients=topology.MLFLOW_CLIENTS if wanted.release.enabled else (),
            client_namespaces=(*settings.client_namespaces, *team_namespaces(wanted)),
            client_networks=tuple(settings.client_networks),
            public_hosts=tuple(settings.public_hosts),
            direct_transfers=settings.direct_transfers,
            min_available=settings.min_available,
            tmp_size=settings.tmp_size,
            identity=roles.mlflow(),
        ),
        # A server refuses to start on a schema that isn't its own, and needs its bucket for the first artifact.
        _after(opts, migration, buckets.ready),
    )
    Backup(
        "backup",
        BackupArgs(
            namespace=namespace,
            image=wanted.images.workloads,
            database=databases.database,
            bucket=buckets.buckets[contracts.BACKUPS_BUCKET],
            stores=(databases.peer, *buckets.peers),
            identity=roles.backup(),
            schedule=wanted.backup.schedule,
            retention_days=wanted.backup.retention_days,
            suspended=wanted.backup.suspended,
        ),
        opts,
    )
    return server


def _pool(wanted: Settings) -> ConnectionPool:
    """Return the pool that the settings name, or the largest that the database's connections allow."""
    settings = wanted.mlflow
    if settings.pool is not None:
        return ConnectionPool(size=settings.pool.size, overflow=settings.pool.overflow)
    return fitting_pool(settings.workers, settings.max_replicas, database_connections(wanted))


def _after(opts: ResourceOptions, *resources: pulumi.Resource) -> ResourceOptions:
    return ResourceOptions.merge(opts, ResourceOptions(depends_on=list(resources)))
