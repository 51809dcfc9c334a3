"""A program's inputs beside the live object: what of it they manage, and whether both say the same.

The API server fills in defaults, writes amounts its own way and turns a Secret's `stringData` into `data`. None of
that is a change; whatever else differs in a place that the program gave is.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from local.plugins.diffs import compare, equal
from local.plugins.kubernetes.client import Object
from local.plugins.kubernetes.objects import READ_ONLY_METADATA
from local.plugins.kubernetes.quantities import amount
from local.plugins.paths import Path
from local.plugins.values import Tree

# Below `spec`, the places that hold amounts.
_AMOUNTS: Final = frozenset(
    {
        "averageValue",
        "capacity",
        "default",
        "defaultRequest",
        "divisor",
        "hard",
        "limits",
        "max",
        "min",
        "overhead",
        "requests",
        "sizeLimit",
        "value",
    }
)
# By which of its fields the API server tells the elements of a list apart, the commonest ones.
_MERGE_KEYS: Final = ("name", "containerPort", "port", "mountPath", "topologyKey", "key", "type")


# JSON schema's extensions, which Pulumi's SDKs write with underscores.
_EXTENSIONS: Final = {
    name.replace("-", "_"): name
    for name in (
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    )
}


def to_api(inputs: Object) -> Object:
    """Return an object in the words of the API: only the schemas of a definition have others in Pulumi."""
    return _renamed(inputs, _EXTENSIONS) if inputs.get("kind") == "CustomResourceDefinition" else inputs


def from_api(live: Object) -> Object:
    """Return an object in the words of Pulumi."""
    if live.get("kind") != "CustomResourceDefinition":
        return live
    return _renamed(live, {value: key for key, value in _EXTENSIONS.items()})


def _renamed(tree: Tree, names: Mapping[str, str]) -> Tree:
    if isinstance(tree, Mapping):
        return {names.get(key, key): _renamed(value, names) for key, value in tree.items()}
    return [_renamed(item, names) for item in tree] if isinstance(tree, list) else tree


def same(path: Path, old: Tree, new: Tree) -> bool:
    """Whether two single values at a path mean the same to Kubernetes."""
    if equal(path, old, new):
        return True
    if path == ("metadata", "namespace"):
        return (old or "default") == (new or "default")
    if path[:1] == ("spec",) and not _AMOUNTS.isdisjoint(path):
        before = amount(old)
        return before is not None and before == amount(new)
    return False


def cleaned(inputs: Object) -> Object:
    """Leave out what only the API server sets, such as an exported object may still carry."""
    given = inputs.get("metadata")
    if not isinstance(given, dict):
        return inputs
    return inputs | {"metadata": {key: value for key, value in given.items() if key not in READ_ONLY_METADATA}}


def comparable(inputs: Object) -> Object:
    """Return a Secret with its `stringData` as `data`, so that either way of writing it compares equal."""
    text = inputs.get("stringData")
    if inputs.get("kind") != "Secret" or not isinstance(text, dict):
        return inputs
    encoded = {key: _base64(value) if isinstance(value, str) else value for key, value in text.items()}
    rest = {key: value for key, value in inputs.items() if key != "stringData"}
    return rest | {"data": (inputs.get("data") or {}) | encoded}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def observed(live: Object, inputs: Object) -> Object:
    """Return the inputs as the live object has them: the places that `inputs` names, in its words where they agree."""
    projected = {key: _project((key,), live.get(key), value) for key, value in inputs.items() if key != "stringData"}
    text = inputs.get("stringData")
    if isinstance(text, dict):
        data = live.get("data") or {}
        projected["stringData"] = {key: _text(data[key]) for key in text if key in data}
    return {key: value for key, value in projected.items() if value is not None}


def _text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return encoded


def _project(path: Path, live: Tree, model: Tree) -> Tree:
    if isinstance(live, Mapping) and isinstance(model, Mapping):
        shared = {key: _project((*path, key), live.get(key), value) for key, value in model.items()}
        return {key: value for key, value in shared.items() if value is not None}
    if isinstance(live, list) and isinstance(model, list):
        return _project_list(path, live, model)
    if live is None and model in ({}, [], "", 0, False):
        # The API server leaves out what is empty.
        return model
    return model if live is not None and not compare(model, live, same, path) else live


def _project_list(path: Path, live: list[Any], model: list[Any]) -> list[Any]:
    if not all(isinstance(item, dict) for item in (*live, *model)):
        return model if not compare(model, live, same, path) else live
    key = _merge_key(live, model)
    if key is None:
        pairs = [(item, model[index] if index < len(model) else item) for index, item in enumerate(live)]
    else:
        # Elements that others added are theirs: leaving them out of an apply doesn't remove them.
        found = {item[key]: item for item in live}
        pairs = [(found[item[key]], item) for item in model if item[key] in found]
    return [_project((*path, index), ours, wanted) for index, (ours, wanted) in enumerate(pairs)]


def _merge_key(live: list[Any], model: list[Any]) -> str | None:
    """Return the field that tells all elements of both lists apart."""
    for key in _MERGE_KEYS:
        if all(
            all(isinstance(item.get(key), str | int) for item in items)
            and len({item[key] for item in items}) == len(items)
            for items in (live, model)
        ):
            return key
    return None


def imported(live: Object) -> Object:
    """Return the inputs that would make an object as it is, for an import."""
    kept = {key: value for key, value in live.items() if key != "status"}
    return cleaned(kept)
