"""The machine that the embedded platform shares with everything else: its memory and its disks."""

from local.checks import GIB
from local.doctor.checks.objects import shown
from local.doctor.site import Site
from local.doctor.verdict import NotHereError, ProblemError, Severity

# A training job, a third pod of MLflow, or a build.
_LITTLE_MEMORY = GIB // 2
_FULL = 0.85
_LITTLE_DISK = GIB


def memory(site: Site) -> str:
    """Check that this machine has memory left."""
    _require_embedded(site)
    space = site.memory()
    if space.free < _LITTLE_MEMORY:
        raise ProblemError(
            "this machine has little memory left",
            evidence=f"{_gib(space.free)} of {_gib(space.total)} are available",
            remedy="end other programs, or lower `mlflow.workers` and `mlflow.maxReplicas` in the stack file",
            severity=Severity.WARNING,
        )
    return f"{_gib(space.free)} of {_gib(space.total)} are available"


def disk(site: Site) -> str:
    """Check that the platform's disks have room: the kubelet evicts pods from a full one."""
    _require_embedded(site)
    spaces = site.disks()
    full = [space for space in spaces if space.free < (1 - _FULL) * space.total or space.free < _LITTLE_DISK]
    if full:
        raise ProblemError(
            "this machine's disk is nearly full",
            evidence=shown(f"{space.what}: {_gib(space.free)} of {_gib(space.total)} are free" for space in full),
            remedy="delete what is not needed; the cache of tools and images can be built again",
            severity=Severity.ERROR if min(space.free for space in full) < _LITTLE_DISK else Severity.WARNING,
        )
    return shown(f"{space.what}: {_gib(space.free)} free" for space in spaces)


def _require_embedded(site: Site) -> None:
    if not site.embedded:
        raise NotHereError("the platform runs on another machine")


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
