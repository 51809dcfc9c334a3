"""Pods and containers: Pod Security Standard `restricted`, no service links, and requests and limits for all resources.

The functions return the typed dictionaries of the Kubernetes SDK, to which components add their own fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import pulumi
from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    EnvFromSourceArgsDict,
    EnvVarArgsDict,
    PodSpecArgsDict,
    ProbeArgsDict,
    ResourceRequirementsArgsDict,
    VolumeArgsDict,
    VolumeMountArgsDict,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict

import contracts
from infra.limits.flows import NAME_LABEL
from infra.limits.quantities import mebibytes

# The user ID in the images of this repository, and that of Debian's user `postgres` in the image of PostgreSQL.
WORKLOAD_UID: Final = 10001
POSTGRES_UID: Final = 999

TMP_VOLUME: Final = "tmp"
SHARED_MEMORY_MOUNT: Final[VolumeMountArgsDict] = {"name": "shared-memory", "mount_path": "/dev/shm"}  # noqa: S108 - a volume of the pod's own

# https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/
GPU_RESOURCE: Final = "nvidia.com/gpu"

# MiB of the node's disk for a container, besides its volumes. With a read-only root file system only its log needs any:
# the kubelet keeps 5 log files of 10 MiB, and a burst may exceed that before they are rotated.
_LOG_MIB: Final = 64
_MOST_LOG_MIB: Final = 128

_DISK: Final = "ephemeral-storage"


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """The requests and limits of a container, as Kubernetes quantities. GPUs are whole, and not shared."""

    cpu: str
    memory: str
    cpu_limit: str
    memory_limit: str
    gpus: int = 0

    def as_dict(self) -> ResourceRequirementsArgsDict:
        """Return them as the container's `resources`."""
        gpus = {GPU_RESOURCE: str(self.gpus)} if self.gpus else {}
        return {
            "requests": {"cpu": self.cpu, "memory": self.memory, _DISK: f"{_LOG_MIB}Mi", **gpus},
            "limits": {"cpu": self.cpu_limit, "memory": self.memory_limit, _DISK: f"{_MOST_LOG_MIB}Mi", **gpus},
        }


def selector(component: str) -> dict[str, str]:
    """Return the label that selects exactly the pods of `component`."""
    return {NAME_LABEL: component}


def labels(component: str) -> dict[str, str]:
    """Return the labels of every object of `component`."""
    return {
        **selector(component),
        "app.kubernetes.io/part-of": contracts.PROJECT,
        "app.kubernetes.io/managed-by": "pulumi",
    }


def metadata(namespace: pulumi.Input[str], component: str, name: str | None = None) -> ObjectMetaArgsDict:
    """Return the metadata of an object of `component`; without a `name`, Pulumi generates one."""
    meta: ObjectMetaArgsDict = {"namespace": namespace, "labels": labels(component)}
    if name is not None:
        meta["name"] = name
    return meta


def environment(values: Mapping[str, pulumi.Input[str]]) -> list[EnvVarArgsDict]:
    """Return `values` as a container's `env`, in order: `$(NAME)` in a value refers to an earlier name."""
    return [{"name": name, "value": value} for name, value in values.items()]


def from_config_map(name: pulumi.Input[str]) -> EnvFromSourceArgsDict:
    """Return an `envFrom` entry that sets every key of a ConfigMap."""
    return {"config_map_ref": {"name": name}}


def from_secret(name: pulumi.Input[str]) -> EnvFromSourceArgsDict:
    """Return an `envFrom` entry that sets every key of a Secret."""
    return {"secret_ref": {"name": name}}


def http_probe(path: str, port: int, *, period: int, failures: int, timeout: int = 5) -> ProbeArgsDict:
    """Return a probe that GETs `path`; `period` and `timeout` are in seconds."""
    return {
        "http_get": {"path": path, "port": port},
        "period_seconds": period,
        "timeout_seconds": timeout,
        "failure_threshold": failures,
    }


def tcp_probe(port: int, *, period: int, failures: int, timeout: int = 5) -> ProbeArgsDict:
    """Return a probe that fails only if the server accepts no connections; `period` and `timeout` are in seconds."""
    return {
        "tcp_socket": {"port": port},
        "period_seconds": period,
        "timeout_seconds": timeout,
        "failure_threshold": failures,
    }


def shared_memory(size: str) -> VolumeArgsDict:
    """Return the volume of `SHARED_MEMORY_MOUNT`: up to `size` of the pod's memory, instead of the runtime's 64Mi."""
    return {"name": "shared-memory", "empty_dir": {"medium": "Memory", "size_limit": size}}


def container(
    name: str,
    image: str,
    resources: Resources,
    *,
    command: Sequence[str] = (),
    args: Sequence[str] = (),
    env: Sequence[EnvVarArgsDict] = (),
    env_from: Sequence[EnvFromSourceArgsDict] = (),
    mounts: Sequence[VolumeMountArgsDict] = (),
) -> ContainerArgsDict:
    """Return a container that satisfies `restricted`, with a read-only root file system and a writable /tmp.

    `command` replaces the image's entry point if it isn't empty; `args` are the arguments of the entry point.
    """
    spec: ContainerArgsDict = {
        "name": name,
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "env": list(env),
        "env_from": list(env_from),
        "resources": resources.as_dict(),
        "security_context": {
            "allow_privilege_escalation": False,
            "capabilities": {"drop": ["ALL"]},
            "read_only_root_filesystem": True,
        },
        "volume_mounts": [{"name": TMP_VOLUME, "mount_path": "/tmp"}, *mounts],  # noqa: S108 - a volume of the pod's own
    }
    if command:
        spec["command"] = list(command)
    if args:
        # Kubernetes would replace `$(NAME)` by a variable: `$$` is a plain dollar sign.
        spec["args"] = [each.replace("$", "$$") for each in args]
    return spec


def pod(
    main: ContainerArgsDict,
    *,
    uid: int = WORKLOAD_UID,
    tmp_size: str = "256Mi",
    volumes: Sequence[VolumeArgsDict] = (),
    service_account: pulumi.Input[str] | None = None,
    mount_token: bool = False,
) -> PodSpecArgsDict:
    """Return the spec of a pod with one container, `main`, that satisfies `restricted`."""
    scratch: VolumeArgsDict = {"name": TMP_VOLUME, "empty_dir": {"size_limit": tmp_size}}
    spec: PodSpecArgsDict = {
        "containers": [with_disk(main, tmp_size)],
        "volumes": [scratch, *volumes],
        "automount_service_account_token": mount_token,
        # For the Service `mlflow` Kubernetes would set MLFLOW_PORT=tcp://..., which MLflow reads as its port number.
        "enable_service_links": False,
        "security_context": {
            "run_as_non_root": True,
            "run_as_user": uid,
            "run_as_group": uid,
            # The group of the container owns the volumes, whatever owner the provisioner gave them.
            "fs_group": uid,
            # Not at each start: that takes minutes for a large volume, and overwrites the modes that a server has set.
            "fs_group_change_policy": "OnRootMismatch",
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
    }
    if service_account is not None:
        spec["service_account_name"] = service_account
    return spec


def with_disk(container: ContainerArgsDict, *sizes: str) -> ContainerArgsDict:
    """Return the container with a disk limit that includes volumes of these `sizes`: the kubelet counts them."""
    resources = cast("ResourceRequirementsArgsDict", container.get("resources", {}))
    limits = cast("Mapping[str, str]", resources.get("limits", {}))
    disk = sum(mebibytes(size) for size in (limits[_DISK], *sizes))
    return {**container, "resources": {**resources, "limits": {**limits, _DISK: f"{disk}Mi"}}}
