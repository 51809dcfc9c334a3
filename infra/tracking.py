"""MLflow in an environment: its schema first, then the server, and the backups of what it keeps."""

import pulumi
from pulumi import ResourceOptions

import contracts
from infra import topology
from infra.cluster.backup import Backup, BackupArgs
from infra.cluster.migration import Migration, MigrationArgs
from infra.cluster.mlflow import Autoscaling, Mlflow, MlflowArgs
from infra.cluster.mlflow_sizing import IN_CLUSTER_CONNECTIONS, connection_pool
from infra.settings import Settings
from infra.stores import BucketStore, DatabaseStore


def tracking_server(
    wanted: Settings,
    namespace: pulumi.Input[str],
    databases: DatabaseStore,
    buckets: BucketStore,
    opts: ResourceOptions,
) -> Mlflow:
    """Make the server that the settings want, between its two stores."""
    migration = Migration(
        "migration",
        MigrationArgs(
            namespace=namespace,
            image=wanted.images.workloads,
            database=databases.database,
            store=topology.POSTGRES,
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
            stores=(topology.POSTGRES, topology.S3),
            workers=settings.workers,
            pool=connection_pool(settings.workers, settings.max_replicas, IN_CLUSTER_CONNECTIONS),
            autoscaling=Autoscaling(
                min_replicas=settings.min_replicas,
                max_replicas=settings.max_replicas,
                cpu_target=settings.cpu_target,
                memory_target=settings.memory_target,
            ),
            cluster_domain=wanted.cluster.domain,
            clients=topology.MLFLOW_CLIENTS,
            client_namespaces=tuple(settings.client_namespaces),
            public_hosts=tuple(settings.public_hosts),
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
            stores=(topology.POSTGRES, topology.S3),
            schedule=wanted.backup.schedule,
            retention_days=wanted.backup.retention_days,
            suspended=wanted.backup.suspended,
        ),
        opts,
    )
    return server


def _after(opts: ResourceOptions, *resources: pulumi.Resource) -> ResourceOptions:
    return ResourceOptions.merge(opts, ResourceOptions(depends_on=list(resources)))
