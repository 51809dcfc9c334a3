"""How many database connections the platform may open, and how each server process shares in them.

Pure arithmetic: server processes x engines x (pool + overflow), for the most pods that there can be, plus the jobs.
"""

from dataclasses import dataclass
from typing import Final

# Connections that PostgreSQL in the cluster accepts. Each one costs a process of 2 to 5 MiB, so this is what fits into
# its memory limit beside the shared buffers.
IN_CLUSTER_CONNECTIONS: Final = 200
# Each worker has an engine for the tracking store and one for the model registry.
ENGINES_PER_WORKER: Final = 2
# Connections for migrations, backups, an administrator, and what RDS keeps for itself.
JOBS: Final = 10
# Pods that a rollout has beyond the autoscaler's most.
SURGE: Final = 1

# SQLAlchemy's own defaults: more than this helps nobody, as a worker runs 40 threads at most.
_LARGEST_POOL: Final = 5
_LARGEST_OVERFLOW: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionPool:
    """SQLAlchemy's pool of one engine: connections kept, and how many more under load."""

    size: int
    overflow: int


# At least one of each, as MLflow reads 0 as "not set" and SQLAlchemy then takes 5 and 10.
LEAST_POOL: Final = ConnectionPool(size=1, overflow=1)


def demand(workers: int, max_replicas: int, pool: ConnectionPool) -> int:
    """Return the most connections that the platform opens at one time."""
    return (max_replicas + SURGE) * workers * ENGINES_PER_WORKER * (pool.size + pool.overflow) + JOBS


def most_replicas(workers: int, max_connections: int, pool: ConnectionPool = LEAST_POOL) -> int:
    """Return the most pods for which `max_connections` are enough, 0 where not even one fits."""
    each = workers * ENGINES_PER_WORKER * (pool.size + pool.overflow)
    return max(0, (max_connections - JOBS) // each - SURGE)


def fitting_pool(workers: int, max_replicas: int, max_connections: int) -> ConnectionPool:
    """Divide the database's connections among the engines of the largest deployment that the autoscaler may make.

    Raises:
        ValueError: Two connections for each engine are more than the database accepts.
    """
    share = (max_connections - JOBS) // ((max_replicas + SURGE) * workers * ENGINES_PER_WORKER)
    if share < LEAST_POOL.size + LEAST_POOL.overflow:
        raise ValueError(
            f"{max_replicas} pods of {workers} workers are more server processes than {max_connections} database "
            f"connections can serve: allowed are {most_replicas(workers, max_connections)} pods."
        )
    size = min(_LARGEST_POOL, share - 1)
    return ConnectionPool(size=size, overflow=min(_LARGEST_OVERFLOW, share - size))
