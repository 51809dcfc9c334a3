"""Rules about pods: containers are confined, their use of the node is limited, and namespaces enforce both."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from policy.documents import texts
from policy.kubernetes import OBJECTS, containers, pods
from policy.resources import UNKNOWN, Resource, Value, differs, dig, known_objects
from policy.rule import Rule, each

# The only capability that the Pod Security Standard `restricted` lets a container add.
_ADDABLE: Final = ("NET_BIND_SERVICE",)
# A quantity of 0 sets no limit.
_NOT_SET: Final = (None, "", "0", 0)
_HOST_NAMESPACES: Final = ("hostNetwork", "hostPID", "hostIPC")
_ENFORCE: Final = "pod-security.kubernetes.io/enforce"


def _user(pod: dict[str, Any]) -> Iterator[str]:
    for container in containers(pod):
        non_root, user = (_security(pod, container, setting) for setting in ("runAsNonRoot", "runAsUser"))
        if differs(non_root, required=True):
            yield f"{container.get('name')}: runAsNonRoot is not true."
        if user == 0:
            yield f"{container.get('name')}: runAsUser is 0."


def _security(pod: dict[str, Any], container: dict[str, Any], setting: str) -> Value:
    own = dig(container, "securityContext", setting)
    return dig(pod, "securityContext", setting) if own in (None, UNKNOWN) else own


def _privileges(pod: dict[str, Any]) -> Iterator[str]:
    for container in containers(pod):
        if differs(dig(container, "securityContext", "allowPrivilegeEscalation"), required=False):
            yield f"{container.get('name')}: allowPrivilegeEscalation is not false."
        if dig(container, "securityContext", "privileged") not in (None, UNKNOWN, False):
            yield f"{container.get('name')}: privileged is true."


def _root_file_system(pod: dict[str, Any]) -> Iterator[str]:
    for container in containers(pod):
        if differs(dig(container, "securityContext", "readOnlyRootFilesystem"), required=True):
            yield f"{container.get('name')}: readOnlyRootFilesystem is not true."


def _capabilities(pod: dict[str, Any]) -> Iterator[str]:
    for container in containers(pod):
        dropped = dig(container, "securityContext", "capabilities", "drop")
        if dropped is not UNKNOWN and "ALL" not in (dropped or []) and UNKNOWN not in (dropped or []):
            yield f"{container.get('name')}: capabilities.drop lacks ALL."
        added = texts(dig(container, "securityContext", "capabilities", "add"))
        if wrong := [capability for capability in added if capability not in _ADDABLE]:
            yield f"{container.get('name')}: capabilities.add has {', '.join(wrong)}."


def _size(pod: dict[str, Any]) -> Iterator[str]:
    for container in containers(pod):
        missing = [
            f"{side}.{resource}"
            for side in ("requests", "limits")
            for resource in ("cpu", "memory")
            if dig(container, "resources", side, resource) in _NOT_SET
        ]
        if missing:
            yield f"{container.get('name')}: {', '.join(missing)} not set."


def _node(pod: dict[str, Any]) -> Iterator[str]:
    yield from (f"{name} is true." for name in _HOST_NAMESPACES if dig(pod, name) not in (None, UNKNOWN, False))
    for volume in known_objects(dig(pod, "volumes")):
        if "hostPath" in volume:
            yield f"The volume {volume.get('name')} is a hostPath."
    for container in containers(pod):
        for port in known_objects(container.get("ports")):
            if port.get("hostPort") not in (None, UNKNOWN, 0):
                # The engine sends every number as a float.
                yield f"{container.get('name')}: hostPort is {port['hostPort']}".removesuffix(".0") + "."


def _standard(namespace: Resource) -> Iterator[str]:
    level = dig(namespace.get("metadata", "labels"), _ENFORCE)
    if differs(level, "restricted"):
        yield f"{_ENFORCE} is {level or 'not set'}."


def _of_each_pod(name: str, description: str, check: Callable[[dict[str, Any]], Iterable[str]]) -> Rule:
    """Return a rule about each pod that an object describes."""

    def check_pods(workload: Resource) -> Iterator[str]:
        for pod in pods(workload):
            yield from check(pod)

    return each(name, description, OBJECTS, check_pods)


RULES: Final = (
    _of_each_pod(
        "container-is-not-root",
        "A container runs as an ordinary user. Set runAsNonRoot to true, and no runAsUser 0, in the securityContext of "
        "the pod or the container.",
        _user,
    ),
    _of_each_pod(
        "container-gains-no-privileges",
        "A container never gains privileges. Set allowPrivilegeEscalation to false, and leave out privileged.",
        _privileges,
    ),
    _of_each_pod(
        "container-root-is-read-only",
        "A container can't change its image's files. Set readOnlyRootFilesystem to true, and mount an emptyDir where "
        "it writes.",
        _root_file_system,
    ),
    _of_each_pod(
        "container-drops-capabilities",
        "A container has none of root's capabilities. Set capabilities.drop to [ALL]. NET_BIND_SERVICE may be added.",
        _capabilities,
    ),
    _of_each_pod(
        "container-is-sized",
        "A container states its needs and limits. Set resources.requests and resources.limits, each with cpu and "
        "memory.",
        _size,
    ),
    _of_each_pod(
        "pod-stays-off-its-node",
        "A pod has no access to its node. Remove hostPath volumes, hostNetwork, hostPID, hostIPC and hostPort.",
        _node,
    ),
    each(
        "namespace-is-restricted",
        f"A namespace enforces the Pod Security Standard `restricted`. Set its label {_ENFORCE} to that.",
        ("kubernetes:core/v1:Namespace",),
        _standard,
    ),
)
