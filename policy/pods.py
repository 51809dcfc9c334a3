"""The pods of a Kubernetes object, and their containers, wherever its kind keeps them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from policy.known import Value, dig, known_objects
from policy.resource import Resource
from policy.siblings import KUBERNETES, partial

_TEMPLATE: Final = ("spec", "template", "spec")
_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "kubernetes:core/v1:Pod": ("spec",),
    "kubernetes:core/v1:PodTemplate": ("template", "spec"),
    "kubernetes:core/v1:ReplicationController": _TEMPLATE,
    "kubernetes:apps/v1:Deployment": _TEMPLATE,
    "kubernetes:apps/v1:StatefulSet": _TEMPLATE,
    "kubernetes:apps/v1:DaemonSet": _TEMPLATE,
    "kubernetes:apps/v1:ReplicaSet": _TEMPLATE,
    "kubernetes:batch/v1:Job": _TEMPLATE,
    "kubernetes:batch/v1:CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")


class _Objects:
    """Every Kubernetes type, those of the cluster's own extensions too."""

    def __contains__(self, type_: object) -> bool:
        return isinstance(type_, str) and type_.startswith(KUBERNETES)


WORKLOADS: Final = _Objects()


def pods(workload: Resource) -> Iterator[dict[str, Any]]:
    """Yield the spec of each pod that the object describes.

    Of an object of another kind than Kubernetes' own, whatever lists containers is one. Its controller fills in what
    such a spec leaves out, so that this is unknown.
    """
    path = _PATHS.get(workload.type)
    if path is None:
        yield from map(partial, _listing_containers(workload.properties))
    elif isinstance(spec := workload.get(*path), dict):
        yield spec


def containers(spec: Value) -> Iterator[dict[str, Any]]:
    """Yield the containers of a pod, those that run before or beside the others too."""
    for group in _CONTAINERS:
        yield from known_objects(dig(spec, group))


def containers_of(workload: Resource) -> Iterator[dict[str, Any]]:
    """Yield the containers of all pods that the object describes."""
    for pod in pods(workload):
        yield from containers(pod)


def _listing_containers(value: Value) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if any(known_objects(value.get(group)) for group in _CONTAINERS):
            yield value
        for member in value.values():
            yield from _listing_containers(member)
    elif isinstance(value, list):
        for member in value:
            yield from _listing_containers(member)
