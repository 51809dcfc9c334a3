"""An init container that runs code which must not reach what the pod's other containers hold."""

from typing import TYPE_CHECKING, Final, cast

from pulumi_kubernetes.core.v1 import ContainerArgsDict, PodSpecArgsDict, VolumeArgsDict, VolumeMountArgsDict

from infra.kube.pod_access import mounted
from infra.kube.pods import TMP_VOLUME, with_disk

if TYPE_CHECKING:
    from collections.abc import Sequence

_HANDOVER: Final = "handover"
_HANDOVER_SIZE: Final = "8Mi"


def preceded(spec: PodSpecArgsDict, first: ContainerArgsDict, *, tmp_size: str, handover: str) -> PodSpecArgsDict:
    """Return the pod `spec` with the init container `first`, which leaves files in the folder `handover`.

    The other containers can only read that folder. The volumes and variables that functions such as `with_access` add
    to a pod reach only its other containers.
    """
    # /tmp is the home folder: settings there, or Python packages, would be loaded by the next container.
    own_tmp: VolumeArgsDict = {"name": f"{first.get('name')}-tmp", "empty_dir": {"size_limit": tmp_size}}
    shared: VolumeArgsDict = {"name": _HANDOVER, "empty_dir": {"size_limit": _HANDOVER_SIZE}}
    mounts = cast("Sequence[VolumeMountArgsDict]", first.get("volume_mounts", ()))
    alone: ContainerArgsDict = {
        **first,
        "volume_mounts": [
            *(each for each in mounts if each.get("name") != TMP_VOLUME),
            cast("VolumeMountArgsDict", {"name": own_tmp.get("name"), "mount_path": "/tmp"}),  # noqa: S108 - a volume
            {"name": _HANDOVER, "mount_path": handover},
        ],
    }
    spec = mounted(spec, shared, handover)
    [main] = cast("Sequence[ContainerArgsDict]", spec["containers"])
    return {
        **spec,
        "volumes": [*cast("Sequence[VolumeArgsDict]", spec.get("volumes", ())), own_tmp],
        "init_containers": [with_disk(alone, tmp_size, _HANDOVER_SIZE)],
        "containers": [with_disk(main, tmp_size, _HANDOVER_SIZE)],
    }
