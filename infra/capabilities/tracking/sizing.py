"""The CPU and memory of a tracking server's pod, computed from the settings and measured constants."""

import math
from typing import Final

from infra.kube.pods import Resources

# Measured on the embedded platform, MLflow 3.17 without job runners: a pod of 4 workers has a working set of 920 MiB
# after its start, and of 1030 MiB after training runs and their artifacts. 210 MiB are the command and uvicorn's
# supervisor.
_BASE_MIB: Final = 230
_WORKER_MIB: Final = 200
# The files of a worker's measurements, in memory, and those of all workers that have ended. With six statuses for each
# method of each of MLflow's 356 routes, they have 4.1 MiB.
_MEASUREMENTS_MIB: Final = 8
_STEP_MIB: Final = 256
_LEAST_REQUEST_MIB: Final = 1024
_LEAST_LIMIT_MIB: Final = 2048


def resources(workers: int, min_replicas: int, memory_target: int) -> Resources:
    """Return the resources of a pod with `workers` server processes: 2Gi of memory for 4 workers, 2 pods and 80 %.

    The autoscaler sets the number of pods to (current pods) x (usage / target), rounded up. During a rollout there is
    one pod more than `min_replicas`. So that a rollout doesn't scale out, idle pods must use at most
    min_replicas / (min_replicas + 1) of the target.
    """
    idle = _BASE_MIB + _WORKER_MIB * workers + _measurements(workers)
    share = memory_target / 100 * min_replicas / (min_replicas + 1)
    request = max(_LEAST_REQUEST_MIB, _STEP_MIB * math.ceil(idle / share / _STEP_MIB))
    limit = max(_LEAST_LIMIT_MIB, request)
    return Resources(cpu="500m", memory=f"{request}Mi", cpu_limit="1", memory_limit=f"{limit}Mi")


def shared_memory_size(workers: int) -> str:
    """Return the size of the volume in memory for the measurements of a pod, which counts as memory of the pod."""
    return f"{_measurements(workers)}Mi"


def _measurements(workers: int) -> int:
    return _MEASUREMENTS_MIB * (workers + 1)
