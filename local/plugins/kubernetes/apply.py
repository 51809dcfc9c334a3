"""Server-side apply of a program's inputs, including fields that other managers own.

This follows the official plugin. An update, but not a preview, first takes over the fields that belong to `kubectl` or
to a client-side apply. If any other manager owns a field that the program sets, that is a conflict, unless the object
has the annotation `pulumi.com/patchForce`.
"""

import functools
from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Final

from local.plugins.kubernetes import objects
from local.plugins.kubernetes.client import ApiError, Client, Object
from local.plugins.paths import Path
from local.plugins.provider import PluginError

# Managers by name prefix and operation, from `fixCSAFieldManagers` in
# https://github.com/pulumi/pulumi-kubernetes/blob/v4.28.0/provider/pkg/await/await.go.
_TAKEN_OVER: Final = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    ("pulumi-kubernetes", "Update"),
    ("pulumi-resource-kubernetes", "Update"),
)
# The official plugin's manager names from before it used server-side apply. A preview overrides them.
_LEGACY_MANAGERS: Final = ("pulumi-kubernetes", "pulumi-kubernetes.exe", "pulumi-resource-kubernetes")
_GUIDE: Final = (
    "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/"
    "managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources"
)


def send(client: Client, path: str, body: Object, *, manager: str, preview: bool, force: bool) -> Object:
    """Apply an object and return the result. A preview is a dry run.

    Raises:
        PluginError: another manager owns a field that the object sets to a different value.
        ApiError: the API server rejects the object for another reason.
    """
    query = {"fieldManager": manager, "fieldValidation": "Warn"} | ({"dryRun": "All"} if preview else {})
    try:
        return client.apply(path, body, force=str(force).lower(), **query)
    except ApiError as error:
        if not any(cause.get("reason") == "FieldManagerConflict" for cause in error.causes):
            raise
        message = (
            f"server-side apply field conflict detected, see {_GUIDE} for troubleshooting help\n"
            f'The resource managed by field manager "{manager}" had an apply conflict: {error}\n'
            "Leave the field out of the program, list it in ignore_changes, or take it over with the annotation "
            f"{objects.PATCH_FORCE}"
        )
        raise PluginError(message) from error


def forced(body: Object, live: Object | None, *, preview: bool, always: bool | None) -> bool:
    """Return whether applying the object takes its fields over from their owners.

    `live` is None for a new object. `always` is the plugin-wide setting, or None if it isn't set.
    """
    if objects.annotated(body, objects.PATCH_FORCE):
        return True
    if always is not None:
        return always
    if live is None:
        # The dry run of a replacement is applied to the object that it replaces.
        return preview
    entries = _managed(live)
    legacy = any(entry.get("operation") == "Update" and entry.get("manager") in _LEGACY_MANAGERS for entry in entries)
    return not entries or (preview and legacy)


def take_over(client: Client, path: str, live: Object, manager: str) -> Object:
    """Make `manager` the owner of the fields that belong to `kubectl` or to a client-side apply.

    The next apply then removes those that the program doesn't set.
    """
    entries = _managed(live)
    ours = [entry for entry in entries if (entry.get("manager"), entry.get("operation")) == (manager, "Apply")]
    transferred = [entry for entry in entries if entry not in ours and _transferable(entry)]
    if not transferred:
        return live
    fields = functools.reduce(_union, (entry.get("fieldsV1") or {} for entry in (*ours, *transferred)))
    merged = (ours or transferred)[0] | {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    rest = [entry for entry in entries if entry not in ours and entry not in transferred]
    return client.patch(path, [{"op": "replace", "path": "/metadata/managedFields", "value": [*rest, merged]}])


def _managed(live: Object) -> list[Object]:
    return objects.metadata(live).get("managedFields") or []


def _transferable(entry: Object) -> bool:
    name, operation = str(entry.get("manager", "")), entry.get("operation")
    matches = any(name.startswith(prefix) and operation == taken_operation for prefix, taken_operation in _TAKEN_OVER)
    return matches and not entry.get("subresource")


def _union(one: Object, other: Object) -> Object:
    return one | {key: _union(one.get(key, {}), fields) for key, fields in other.items()}


def replace(client: Client, path: str, body: Object, live: Object, *, manager: str, preview: bool) -> Object:
    """Replace a CustomResourceDefinition, because applying one would keep fields of old versions."""
    versioned = deepcopy(body)
    versioned["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    query = {"fieldManager": manager} | ({"dryRun": "All"} if preview else {})
    return client.put(path, versioned, **query)


def leave_ignored(body: Object, live: Object, ignored: Iterable[Path], manager: str) -> Object:
    """Return the body with ignored paths set to the live value if `manager` owns them, else left out."""
    result = deepcopy(body)
    for path in ignored:
        value = _at(live, path)
        if value is None or not path:
            continue
        if _owned(live, path, manager):
            _set(result, path, value)
        else:
            _remove(result, path)
    return result


def _owned(live: Object, path: Path, manager: str) -> bool:
    entries = objects.metadata(live).get("managedFields") or []
    ours = [entry.get("fieldsV1") for entry in entries if entry.get("manager") == manager]
    keys = [f"f:{step}" for step in path]
    return any(objects.dig(fields, *keys) is not None for fields in ours)


def _at(tree: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON value.
    for step in path:
        if isinstance(step, int):
            tree = tree[step] if isinstance(tree, list) and step < len(tree) else None
        else:
            tree = tree.get(step) if isinstance(tree, dict) else None
    return tree


def _set(tree: Any, path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value.
    for step in path[:-1]:
        tree = tree.setdefault(step, {}) if isinstance(tree, dict) else tree[step]
    tree[path[-1]] = value


def _remove(tree: Any, path: Path) -> None:  # noqa: ANN401 - any JSON value.
    parent = _at(tree, path[:-1])
    if isinstance(parent, dict):
        parent.pop(path[-1], None)
