"""The pods of a workload, and their containers, wherever its kind keeps them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from infra.policy.known import Value, known_items
from infra.policy.rule import Resource

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
WORKLOADS: Final = tuple(_PATHS)


def pod(workload: Resource) -> Value:
    """Return the spec of the workload's pods."""
    return workload.get(*_PATHS[workload.type])


def containers(workload: Resource) -> Iterator[dict[str, Any]]:
    """Yield the containers of the workload's pods, those that run before the others too."""
    spec = pod(workload)
    for group in ("initContainers", "containers"):
        yield from known_items(spec.get(group) if isinstance(spec, dict) else None)
