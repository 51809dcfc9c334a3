"""The budget of database connections: how many the platform opens, and the share of each server process.

Pure arithmetic: server processes x (pool + overflow), for the most pods that there can be, plus the jobs. Requests wait
for a connection (workloads/database/pool.py), so a small share makes a busy server slower, and fails nothing.
"""

from dataclasses import dataclass
from typing import Final

from infra.limits.quantities import mebibytes

# Connections for migrations, backups, an administrator, and what RDS keeps for itself.
JOBS: Final = 10
# Pods that a rollout has beyond the autoscaler's most.
SURGE: Final = 1

# More than SQLAlchemy's default of 5 + 10 doesn't help: a worker's threads share one interpreter lock.
_LARGEST_SHARE: Final = 15

# What PostgreSQL in the cluster uses its memory for: a quarter for shared buffers, as its documentation recommends
# (https://www.postgresql.org/docs/15/runtime-config-resource.html), MiB for its own processes and maintenance, and for
# each connection a process. Measured under MLflow's load: 1.7 to 3.6 MiB of its own.
_BUFFERS_SHARE: Final = 4
_SERVER_MIB: Final = 128
_CONNECTION_MIB: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionPool:
    """SQLAlchemy's pool of one server process: connections kept, and how many more under load."""

    size: int
    overflow: int


# At least one of each, as MLflow reads 0 as "not set" and SQLAlchemy then takes 5 and 10. Some requests take two.
LEAST_POOL: Final = ConnectionPool(size=1, overflow=1)


def shared_buffers(memory: str) -> int:
    """Return the MiB of shared buffers of a server in the cluster that may use `memory`."""
    return mebibytes(memory) // _BUFFERS_SHARE


def in_cluster_connections(memory: str) -> int:
    """Return how many connections fit into the `memory` of a server in the cluster: 160 into 1Gi."""
    return (mebibytes(memory) - shared_buffers(memory) - _SERVER_MIB) // _CONNECTION_MIB


def demand(workers: int, max_replicas: int, pool: ConnectionPool) -> int:
    """Return the most connections that the platform opens at one time."""
    return (max_replicas + SURGE) * workers * (pool.size + pool.overflow) + JOBS


def most_replicas(workers: int, max_connections: int, pool: ConnectionPool = LEAST_POOL) -> int:
    """Return the most pods for which `max_connections` are enough, 0 where not even one fits."""
    each = workers * (pool.size + pool.overflow)
    return max(0, (max_connections - JOBS) // each - SURGE)


def fitting_pool(workers: int, max_replicas: int, max_connections: int) -> ConnectionPool:
    """Divide the database's connections among the processes of the largest deployment that the autoscaler may make.

    All but one of a share are kept open, as opening one costs more than most requests.

    Raises:
        ValueError: Two connections for each process are more than the database accepts.
    """
    share = (max_connections - JOBS) // ((max_replicas + SURGE) * workers)
    if share < LEAST_POOL.size + LEAST_POOL.overflow:
        raise ValueError(
            f"max_replicas must be at most {most_replicas(workers, max_connections)} for {workers} workers a pod and "
            f"{max_connections} database connections, got {max_replicas}."
        )
    return ConnectionPool(size=min(_LARGEST_SHARE, share) - 1, overflow=1)
