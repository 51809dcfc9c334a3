"""Kubernetes objects as the rules see them: each kind under one type, and the pods that an object describes.

Beside each kind, Pulumi's Kubernetes SDK has a type that patches an object (`DeploymentPatch`), a type for a list of
objects (`DeploymentList`), and types of older versions and groups (`extensions/v1beta1:Deployment`). A rule about a
kind applies to all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from policy.resources import UNKNOWN, Resource, Value, dig, known_objects

_PREFIX: Final = "kubernetes:"
_PATCH: Final = "Patch"
_LIST: Final = "List"
# The former groups of kinds that have pods.
_FORMER_GROUPS: Final = {"extensions": "apps"}

_TEMPLATE: Final = ("spec", "template", "spec")
_POD_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
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
    """Every Kubernetes type, including those of extensions."""

    def __contains__(self, type_: object) -> bool:
        return isinstance(type_, str) and type_.startswith(_PREFIX)


OBJECTS: Final = _Objects()


class Partial(dict[str, Value]):
    """The known part of an object. A missing member is unknown, because another writer may have set it."""

    def get(self, key: str, default: Value = UNKNOWN) -> Value:
        """Return the member, UNKNOWN if it is missing."""
        return super().get(key, default)


def judged(resource: Resource) -> Iterator[Resource]:
    """Yield the objects that a rule judges in a resource: list members, and the object that a patch changes."""
    if resource.type not in OBJECTS:
        yield resource
        return
    type_ = _stable(resource.type)
    members = resource.properties.get("items")
    if type_.endswith(_LIST) and isinstance(members, list):
        for index, member in enumerate(members):
            if isinstance(member, dict):
                kind = type_.removesuffix(_LIST)
                yield replace(resource, type=kind, properties=member, place=f"items[{index}]: ")
    elif type_.endswith(_PATCH):
        yield replace(resource, type=type_.removesuffix(_PATCH), properties=_partial(resource.properties))
    else:
        yield replace(resource, type=type_)


def pods(resource: Resource) -> Iterator[dict[str, Any]]:
    """Yield the spec of each pod that an object describes.

    In an object of an extension, every dictionary that lists containers counts as a pod spec. The extension's
    controller fills in the members that such a spec leaves out, so they are unknown.
    """
    path = _POD_PATHS.get(resource.type)
    if path is None:
        yield from map(_partial, _listing_containers(resource.properties))
    elif isinstance(spec := resource.get(*path), dict):
        yield spec


def containers(pod: Value) -> Iterator[dict[str, Any]]:
    """Yield the containers of a pod spec, including init and ephemeral containers."""
    for group in _CONTAINERS:
        yield from known_objects(dig(pod, group))


def containers_of(resource: Resource) -> Iterator[dict[str, Any]]:
    """Yield the containers of all pods that an object describes."""
    for pod in pods(resource):
        yield from containers(pod)


def _stable(type_: str) -> str:
    """Return a type such as `kubernetes:apps/v1beta2:Deployment` under its first stable version."""
    package, version, kind = [*type_.split(":", 2), "", ""][:3]
    group = version.partition("/")[0]
    return f"{package}:{_FORMER_GROUPS.get(group, group)}/v1:{kind}"


def _partial(value: Value) -> Value:
    """Return a value with each dictionary replaced by a `Partial`."""
    if isinstance(value, dict):
        return Partial({key: _partial(member) for key, member in value.items()})
    return [_partial(member) for member in value] if isinstance(value, list) else value


def _listing_containers(value: Value) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if any(known_objects(value.get(group)) for group in _CONTAINERS):
            yield value
        for member in value.values():
            yield from _listing_containers(member)
    elif isinstance(value, list):
        for member in value:
            yield from _listing_containers(member)
