"""Whether the parts are big enough for one another: replicas, database connections, disks."""

from collections.abc import Callable, Iterator
from typing import Final

from infra.aws.instance_classes import max_connections
from infra.cluster.connection_budget import (
    JOBS,
    LEAST_POOL,
    SURGE,
    ConnectionPool,
    demand,
    in_cluster_connections,
    most_replicas,
)
from infra.quantities import mebibytes
from infra.settings.model import Settings


def database_connections(wanted: Settings) -> int:
    """Return how many connections the environment's database accepts."""
    if wanted.database.kind == "rds":
        return max_connections(wanted.database.instance_class)
    return in_cluster_connections(wanted.database.memory)


def _replicas(wanted: Settings) -> Iterator[str]:
    mlflow = wanted.mlflow
    if mlflow.max_replicas < mlflow.min_replicas:
        yield (
            f"mlflow.maxReplicas: got {mlflow.max_replicas}; allowed: minReplicas ({mlflow.min_replicas}) to 50, "
            "the autoscaler's bounds"
        )
    if mlflow.min_available >= mlflow.min_replicas:
        yield (
            f"mlflow.minAvailable: got {mlflow.min_available} with minReplicas {mlflow.min_replicas}; allowed: 0 to "
            f"{mlflow.min_replicas - 1}, as no node could be drained otherwise"
        )


def _instance_class(wanted: Settings) -> Iterator[str]:
    if wanted.database.kind != "rds":
        return
    try:
        database_connections(wanted)
    except ValueError as error:
        yield f"database.instanceClass: {error}"


def _connections(wanted: Settings) -> Iterator[str]:
    if any(_instance_class(wanted)):
        return
    mlflow, limit = wanted.mlflow, database_connections(wanted)
    pool = LEAST_POOL if mlflow.pool is None else ConnectionPool(size=mlflow.pool.size, overflow=mlflow.pool.overflow)
    needed = demand(mlflow.workers, mlflow.max_replicas, pool)
    if needed <= limit:
        return
    most = most_replicas(mlflow.workers, limit, pool)
    remedies = [
        *([f"at most {most}"] if most >= mlflow.min_replicas else []),
        *(["fewer workers"] if mlflow.workers > 1 else []),
        *(["a smaller pool"] if mlflow.pool is not None else []),
        *(["more database.memory"] if wanted.database.kind == "in-cluster" else ["a larger database"]),
    ]
    database = "the database in the cluster" if wanted.database.kind == "in-cluster" else wanted.database.instance_class
    yield (
        f"mlflow.maxReplicas: got {mlflow.max_replicas}, for which {needed} database connections are needed "
        f"(({mlflow.max_replicas} + {SURGE} in a rollout) x {mlflow.workers} workers x "
        f"({pool.size} + {pool.overflow}) of a pool + {JOBS} for jobs), and {database} accepts {limit}; allowed: "
        f"{', or '.join(remedies)}"
    )


def _staging(wanted: Settings) -> Iterator[str]:
    mlflow = wanted.mlflow
    needed = mlflow.workers * mebibytes(mlflow.largest_artifact)
    if mebibytes(mlflow.tmp_size) < needed:
        yield (
            f"mlflow.tmpSize: got {mlflow.tmp_size}, where {mlflow.workers} workers may stage an artifact of "
            f"{mlflow.largest_artifact} each; allowed: {needed}Mi at least, or fewer workers, or a smaller "
            "largestArtifact"
        )


def _lock(wanted: Settings) -> Iterator[str]:
    days, kept = wanted.artifact_store.backup_lock_days, wanted.backup.retention_days
    if days is not None and days > kept:
        yield (
            f"artifactStore.backupLockDays: got {days}, and backup.retentionDays is {kept}; allowed: 1 to {kept}, as a "
            "backup that is locked can't be removed when it is due"
        )


CHECKS: Final[tuple[Callable[[Settings], Iterator[str]], ...]] = (
    _replicas,
    _instance_class,
    _connections,
    _staging,
    _lock,
)
