"""The budget of database connections: the number that the platform opens, and the share of each server process.

The demand is server processes x (pool + overflow) for the maximum number of pods, plus the jobs. Requests wait for a
connection (workloads/database/pool.py), so a small share makes a busy tracking server slower, but fails no request.
"""

from dataclasses import dataclass
from typing import Final

from infra.limits.quantities import mebibytes

# Connections for migrations, backups, an administrator, and those that RDS reserves for itself.
JOBS: Final = 10
# Pods that a rollout adds to the autoscaler's maximum.
SURGE: Final = 1

# More than SQLAlchemy's default of 5 + 10 doesn't help: a worker's threads share one interpreter lock.
_LARGEST_SHARE: Final = 15

# The memory of PostgreSQL in the cluster: a quarter for shared buffers, as its documentation recommends
# (https://www.postgresql.org/docs/15/runtime-config-resource.html), 128 MiB for its own processes and maintenance, and
# 4 MiB for the process of each connection. Under MLflow's load such a process was measured at 1.7 to 3.6 MiB.
_BUFFERS_SHARE: Final = 4
_SERVER_MIB: Final = 128
_CONNECTION_MIB: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionPool:
    """SQLAlchemy's pool in one server process: `size` connections stay open, and `overflow` more open under load."""

    size: int
    overflow: int


# At least one of each: MLflow reads 0 as "not set", and SQLAlchemy then uses 5 and 10. Some requests need two.
LEAST_POOL: Final = ConnectionPool(size=1, overflow=1)


def shared_buffers(memory: str) -> int:
    """Return the MiB of shared buffers of a PostgreSQL server in the cluster with `memory`."""
    return mebibytes(memory) // _BUFFERS_SHARE


def in_cluster_connections(memory: str) -> int:
    """Return how many connections fit into the `memory` of a PostgreSQL server in the cluster: 160 into 1Gi."""
    return (mebibytes(memory) - shared_buffers(memory) - _SERVER_MIB) // _CONNECTION_MIB


def demand(workers: int, max_replicas: int, pool: ConnectionPool) -> int:
    """Return the maximum number of connections that the platform opens at a time."""
    return (max_replicas + SURGE) * workers * (pool.size + pool.overflow) + JOBS


def most_replicas(workers: int, max_connections: int, pool: ConnectionPool = LEAST_POOL) -> int:
    """Return the maximum number of pods for which `max_connections` suffice, 0 if not even one fits."""
    per_pod = workers * (pool.size + pool.overflow)
    return max(0, (max_connections - JOBS) // per_pod - SURGE)


def fitting_pool(workers: int, max_replicas: int, max_connections: int) -> ConnectionPool:
    """Divide the database's connections among the processes of the largest deployment that the autoscaler allows.

    All but one connection of a share stay open, because opening a connection takes longer than most requests.

    Raises:
        ValueError: The database accepts fewer than two connections for each process.
    """
    share = (max_connections - JOBS) // ((max_replicas + SURGE) * workers)
    if share < LEAST_POOL.size + LEAST_POOL.overflow:
        raise ValueError(
            f"max_replicas must be at most {most_replicas(workers, max_connections)} for {workers} workers a pod and "
            f"{max_connections} database connections, got {max_replicas}."
        )
    return ConnectionPool(size=min(_LARGEST_SHARE, share) - 1, overflow=1)
