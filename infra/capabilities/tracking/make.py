"""Create the tracking server, after the migration of its database schema."""

import pulumi

import contracts
from infra.capabilities.tracking.grants import MIGRATION_WORKLOAD, SERVER_WORKLOAD
from infra.capabilities.tracking.migration import Migration, MigrationArgs
from infra.capabilities.tracking.server import Mlflow, MlflowArgs
from infra.capabilities.tracking.settings import MIGRATION
from infra.context import Context
from infra.kube.web_service import Autoscaling
from infra.limits.flows import MLFLOW_PODS
from infra.links import Artifacts, Database, Signing, Tracking


def make_tracking(context: Context, database: Database, artifacts: Artifacts, signing: Signing) -> Tracking:
    """Create the tracking server, and export its URL."""
    migration = Migration(
        "migration",
        MigrationArgs(
            namespace=context.namespace,
            image=context.settings.images.workloads,
            database=database.address,
            traffic=context.traffic(MIGRATION),
            identity=context.identity(MIGRATION_WORKLOAD, artifacts, database),
        ),
        # The Job's few retries would run out before the database accepts connections.
        context.after(database.ready),
    )
    # The server refuses to start on a schema of another version, and needs the bucket for the first artifact. Its pods
    # wait for the public keys of the signer.
    opts = context.after(migration, artifacts.ready, signing.published)
    server = Mlflow("mlflow", _server(context, database, artifacts), opts)
    pulumi.export("mlflow_url", context.address("mlflow", server.url))
    return Tracking(url=f"http://{MLFLOW_PODS.component}:{contracts.MLFLOW_PORT}", ready=server)


def _server(context: Context, database: Database, artifacts: Artifacts) -> MlflowArgs:
    settings = context.settings.mlflow
    return MlflowArgs(
        namespace=context.namespace,
        image=context.settings.images.mlflow,
        database=database.address,
        artifacts=artifacts.buckets[contracts.ARTIFACTS_BUCKET],
        workers=settings.workers,
        pool=settings.connection_pool(context.settings.database.connections),
        autoscaling=Autoscaling(
            min_replicas=settings.min_replicas,
            max_replicas=settings.max_replicas,
            cpu_target=settings.cpu_target,
            memory_target=settings.memory_target,
        ),
        min_available=settings.min_available,
        cluster_domain=context.settings.cluster.domain,
        traffic=context.traffic(MLFLOW_PODS),
        public_hosts=tuple(settings.public_hosts),
        direct_transfers=settings.direct_transfers,
        guarded_aliases=tuple(settings.guarded_aliases),
        guarded_stages=tuple(settings.guarded_stages),
        tmp_size=settings.tmp_size,
        identity=context.identity(SERVER_WORKLOAD, artifacts, database),
        logs=context.settings.logs.environment(),
    )
