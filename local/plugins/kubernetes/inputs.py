"""Comparison of a program's inputs with the live object.

The API server fills in defaults, rewrites quantities and turns a Secret's `stringData` into `data`. These don't count
as changes. Any other difference in a field that the program sets does.
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

# Fields below `spec` that contain quantities.
_QUANTITIES: Final = frozenset(
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
# The most common keys by which the API server identifies the elements of a list.
_MERGE_KEYS: Final = ("name", "containerPort", "port", "mountPath", "topologyKey", "key", "type")
# Extensions of JSON Schema, which Pulumi's SDKs write with underscores.
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
    """Return an object with the API's field names. Only the schemas in a CustomResourceDefinition differ in Pulumi."""
    return _renamed(inputs, _EXTENSIONS) if inputs.get("kind") == "CustomResourceDefinition" else inputs


def from_api(live: Object) -> Object:
    """Return an object with Pulumi's field names."""
    if live.get("kind") != "CustomResourceDefinition":
        return live
    return _renamed(live, {value: key for key, value in _EXTENSIONS.items()})


def _renamed(tree: Tree, names: Mapping[str, str]) -> Tree:
    if isinstance(tree, Mapping):
        return {names.get(key, key): _renamed(value, names) for key, value in tree.items()}
    return [_renamed(item, names) for item in tree] if isinstance(tree, list) else tree


def same(path: Path, old: Tree, new: Tree) -> bool:
    """Return whether two scalars at a path mean the same to Kubernetes."""
    if equal(path, old, new):
        return True
    if path == ("metadata", "namespace"):
        return (old or "default") == (new or "default")
    if path[:1] == ("spec",) and not _QUANTITIES.isdisjoint(path):
        before = amount(old)
        return before is not None and before == amount(new)
    return False


def cleaned(inputs: Object) -> Object:
    """Remove metadata that only the API server sets and that an exported object may contain."""
    meta = inputs.get("metadata")
    if not isinstance(meta, dict):
        return inputs
    return inputs | {"metadata": {key: value for key, value in meta.items() if key not in READ_ONLY_METADATA}}


def comparable(inputs: Object) -> Object:
    """Return a Secret with its `stringData` as `data`, so that both forms compare equal."""
    text = inputs.get("stringData")
    if inputs.get("kind") != "Secret" or not isinstance(text, dict):
        return inputs
    encoded = {key: _base64(value) if isinstance(value, str) else value for key, value in text.items()}
    rest = {key: value for key, value in inputs.items() if key != "stringData"}
    return rest | {"data": (inputs.get("data") or {}) | encoded}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def observed(live: Object, inputs: Object) -> Object:
    """Return the live values of the fields in `inputs`. Equivalent values stay as they are in `inputs`."""
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
        # The API server omits empty values.
        return model
    return model if live is not None and not compare(model, live, same, path) else live


def _project_list(path: Path, live: list[Any], model: list[Any]) -> list[Any]:
    if not all(isinstance(item, dict) for item in (*live, *model)):
        return model if not compare(model, live, same, path) else live
    key = _merge_key(live, model)
    if key is None:
        pairs = [(item, model[index] if index < len(model) else item) for index, item in enumerate(live)]
    else:
        # Ignore elements that other managers added: an apply without them doesn't remove them.
        found = {item[key]: item for item in live}
        pairs = [(found[item[key]], item) for item in model if item[key] in found]
    return [_project((*path, index), live_item, item) for index, (live_item, item) in enumerate(pairs)]


def _merge_key(live: list[Any], model: list[Any]) -> str | None:
    """Return a field that identifies all elements of both lists."""
    for key in _MERGE_KEYS:
        if all(
            all(isinstance(item.get(key), str | int) for item in items)
            and len({item[key] for item in items}) == len(items)
            for items in (live, model)
        ):
            return key
    return None


def imported(live: Object) -> Object:
    """Return the inputs that would create the live object, for an import."""
    return cleaned({key: value for key, value in live.items() if key != "status"})
