"""Fields for which an empty value means the same as no value.

The official plugin converts objects of built-in kinds to their Go types, which omits such fields, so its states lack
them even if the program sets them. Fields whose Go type is a pointer are kept, because their zero value is meaningful:
`replicas: 0`, `podSelector: {}`, `automountServiceAccountToken: false`. The names are from the types of
https://github.com/kubernetes/api/tree/v0.34.3.
"""

from typing import Any, Final

from local.plugins.kubernetes.client import Object
from local.plugins.values import Tree

# Maps whose keys the user chooses: nothing below them is left out.
_MAPS: Final = frozenset(
    {
        "annotations",
        "binaryData",
        "capacity",
        "data",
        "default",
        "defaultRequest",
        "hard",
        "labels",
        "limits",
        "matchLabels",
        "max",
        "maxLimitRequestRatio",
        "min",
        "nodeSelector",
        "overhead",
        "parameters",
        "requests",
        "stringData",
        "volumeAttributes",
    }
)
# The only kinds whose `selector` is such a map.
_SELECTED_BY_MAP: Final = frozenset({"ReplicationController", "Service"})
# Booleans and numbers whose default is the zero value.
_SCALARS: Final = frozenset(
    {
        "failureThreshold",
        "globalDefault",
        "healthCheckNodePort",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostPort",
        "initialDelaySeconds",
        "minReadySeconds",
        "nodePort",
        "paused",
        "periodSeconds",
        "publishNotReadyAddresses",
        "readOnly",
        "stdin",
        "stdinOnce",
        "successThreshold",
        "timeoutSeconds",
        "tty",
        "unschedulable",
    }
)
# Strings for which empty is meaningful: no class, or the core API group.
_MEANINGFUL_STRINGS: Final = frozenset({"apiGroup", "ingressClassName", "loadBalancerClass", "storageClassName"})


def left_out(inputs: Object) -> Object:
    """Return an object without empty fields. Custom resources keep everything, because their types aren't known."""
    group, _, _ = str(inputs.get("apiVersion", "")).rpartition("/")
    if "." in group and not group.endswith(".k8s.io"):
        return inputs
    maps = _MAPS | ({"selector"} if inputs.get("kind") in _SELECTED_BY_MAP else set())
    return _left_out(inputs, maps)


def _left_out(tree: Tree, maps: frozenset[str]) -> Any:  # noqa: ANN401 - any JSON value.
    if isinstance(tree, list):
        return [_left_out(item, maps) for item in tree]
    if not isinstance(tree, dict):
        return tree
    meaningful = {name: value for name, value in tree.items() if not _omitted(name, value, maps)}
    return {name: value if name in maps else _left_out(value, maps) for name, value in meaningful.items()}


def _omitted(name: str, value: Tree, maps: frozenset[str]) -> bool:
    if value is None or value == []:
        return True
    if isinstance(value, str):
        return not value and name not in _MEANINGFUL_STRINGS
    return not value and (name in maps or name in _SCALARS)
