"""What says nothing when it's empty, so that it's the same there or not.

The official plugin passes an object of Kubernetes' own kinds through its Go type, which leaves such fields out; its
states lack them, whatever the program gave. A field whose Go type is a pointer is kept: `replicas: 0`,
`podSelector: {}` and `automountServiceAccountToken: false` say something. The names are from the types of
https://github.com/kubernetes/api/tree/v0.34.3.
"""

from typing import Any, Final

from local.plugins.kubernetes.client import Object
from local.plugins.values import Tree

# Maps with keys of the user's: below them nothing is left out.
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
# Switches and numbers whose zero is the default.
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
# Texts that mean something when they are empty: no class at all, and the API group of the core.
_TELLING_TEXTS: Final = frozenset({"apiGroup", "ingressClassName", "loadBalancerClass", "storageClassName"})


def left_out(inputs: Object) -> Object:
    """Return an object without what says nothing; custom resources keep everything, as their types aren't known."""
    group, _, _ = str(inputs.get("apiVersion", "")).rpartition("/")
    if "." in group and not group.endswith(".k8s.io"):
        return inputs
    maps = _MAPS | ({"selector"} if inputs.get("kind") in _SELECTED_BY_MAP else set())
    return _left_out(inputs, maps)


def _left_out(tree: Tree, maps: frozenset[str]) -> Any:  # noqa: ANN401 - as much of the tree as there was.
    if isinstance(tree, list):
        return [_left_out(item, maps) for item in tree]
    if not isinstance(tree, dict):
        return tree
    telling = {name: value for name, value in tree.items() if not _says_nothing(name, value, maps)}
    return {name: value if name in maps else _left_out(value, maps) for name, value in telling.items()}


def _says_nothing(name: str, value: Tree, maps: frozenset[str]) -> bool:
    if value is None or value == []:
        return True
    if isinstance(value, str):
        return not value and name not in _TELLING_TEXTS
    return not value and (name in maps or name in _SCALARS)
