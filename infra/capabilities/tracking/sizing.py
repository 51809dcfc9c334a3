"""How big an MLflow pod must be: pure arithmetic over the settings, from measured constants."""

import math
from typing import Final

from infra.kube.pods import Resources

# Working set of MLflow 3.17 pods on the embedded platform, job runners off: 920 MiB with 4 workers after the start, and
# 1030 MiB after training runs and their artifacts went through one. The command and uvicorn's supervisor take 210 MiB.
_BASE_MIB: Final = 230
_WORKER_MIB: Final = 200
_STEP_MIB: Final = 256
_LEAST_REQUEST_MIB: Final = 1024
_LEAST_LIMIT_MIB: Final = 2048


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
