"""How big an MLflow pod must be, and how many database connections each of its processes may hold.

Pure arithmetic over the settings; the constants are measured.
"""

import math
from dataclasses import dataclass
from typing import Final

from infra.cluster.pods import Resources

# Working set of MLflow 3.17 pods on the embedded platform, job runners off: 920 MiB with 4 workers after the start, and
# 1030 MiB after training runs and their artifacts went through one. The command and uvicorn's supervisor take 210 MiB.
_BASE_MIB: Final = 230
_WORKER_MIB: Final = 200
_STEP_MIB: Final = 256
_LEAST_REQUEST_MIB: Final = 1024
_LEAST_LIMIT_MIB: Final = 2048

# Each worker has an engine for the tracking store and one for the model registry.
_ENGINES_PER_WORKER: Final = 2
# Connections that PostgreSQL in the cluster accepts. Each one costs a process of 2 to 5 MiB, so this is what fits into
# its memory limit beside the shared buffers.
IN_CLUSTER_CONNECTIONS: Final = 200
# Connections that stay free for migrations, backups and an administrator.
_RESERVED_CONNECTIONS: Final = 10
# SQLAlchemy's own default: more than this helps nobody, as a worker runs 40 threads at most.
_LARGEST_POOL: Final = 5
# One connection that is kept, and one more under load.
_LEAST_POOL: Final = 2


def resources(workers: int, min_replicas: int, memory_target: int) -> Resources:
    """Return what a pod of `workers` server processes asks for: 2Gi of memory for 4 workers, 2 pods and 80 %.

    The autoscaler wants (number of pods) x (share of the target that they use), rounded up. A rollout has one pod more
    than `min_replicas`, so idle pods must use less than that part of the target, or each rollout scales out.
    """
    idle = _BASE_MIB + _WORKER_MIB * workers
    share = memory_target / 100 * min_replicas / (min_replicas + 1)
    request = max(_LEAST_REQUEST_MIB, _STEP_MIB * math.ceil(idle / share / _STEP_MIB))
    limit = max(_LEAST_LIMIT_MIB, request)
    return Resources(cpu="500m", memory=f"{request}Mi", cpu_limit="1", memory_limit=f"{limit}Mi")


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionPool:
    """SQLAlchemy's pool of one engine: connections kept, and how many more under load."""

    size: int
    overflow: int


def connection_pool(workers: int, max_replicas: int, max_connections: int) -> ConnectionPool:
    """Divide the database's connections among the engines of the largest deployment that the autoscaler may make.

    At least one of each, as MLflow reads 0 as "not set" and SQLAlchemy then takes 5 and 10.

    Raises:
        ValueError: Two connections for each engine are more than the database accepts.
    """
    share = (max_connections - _RESERVED_CONNECTIONS) // (max_replicas * workers * _ENGINES_PER_WORKER)
    if share < _LEAST_POOL:
        raise ValueError(
            f"{max_replicas} pods of {workers} workers are more server processes than {max_connections} database "
            f"connections can serve: allowed are {most_processes(max_connections)}."
        )
    size = min(_LARGEST_POOL, share - 1)
    return ConnectionPool(size=size, overflow=share - size)


def most_processes(max_connections: int) -> int:
    """Return how many server processes, over all pods, can share `max_connections` of the database."""
    return (max_connections - _RESERVED_CONNECTIONS) // (_LEAST_POOL * _ENGINES_PER_WORKER)
