"""Server-side apply: what to send for a program's inputs, and what to do about fields that others have taken over.

As the official plugin does it: an update first takes over what `kubectl` and applies from before server-side apply
own, a preview doesn't, and any other owner of a field that the program gives is a conflict, unless the object says
`pulumi.com/patchForce`.
"""

import functools
from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Final

from local.plugins.kubernetes import objects
from local.plugins.kubernetes.client import ApiError, Client, Object
from local.plugins.paths import Path
from local.plugins.provider import PluginError

# Managers by the beginning of their name and the operation, see `fixCSAFieldManagers` in
# https://github.com/pulumi/pulumi-kubernetes/blob/v4.28.0/provider/pkg/await/await.go.
_TAKEN_OVER: Final = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    ("pulumi-kubernetes", "Update"),
    ("pulumi-resource-kubernetes", "Update"),
)
# The official plugin's own names from before it applied server-side: a preview overrides them.
_FORMER_SELVES: Final = ("pulumi-kubernetes", "pulumi-kubernetes.exe", "pulumi-resource-kubernetes")
_GUIDE: Final = (
    "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/"
    "managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources"
)


def send(client: Client, path: str, body: Object, *, manager: str, preview: bool, force: bool) -> Object:
    """Apply an object and return what became of it; a preview changes nothing.

    Raises:
        PluginError: another manager owns a field that the object sets to something else.
        ApiError: the API server refuses it for another reason.
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
    """Whether the object's fields are taken from whoever owns them.

    `live` is None for an object that is made; `always` is what the plugin's environment says, if anything.
    """
    if objects.annotated(body, objects.PATCH_FORCE):
        return True
    if always is not None:
        return always
    if live is None:
        # A replacement's preview meets the object that it replaces.
        return preview
    entries = _managed(live)
    former = any(entry.get("operation") == "Update" and entry.get("manager") in _FORMER_SELVES for entry in entries)
    return not entries or (preview and former)


def take_over(client: Client, path: str, live: Object, manager: str) -> Object:
    """Make `manager` the owner of what `kubectl` and applies from before server-side apply own.

    What of it the program doesn't give is then removed by the next apply.
    """
    entries = _managed(live)
    ours = [entry for entry in entries if (entry.get("manager"), entry.get("operation")) == (manager, "Apply")]
    taken = [entry for entry in entries if entry not in ours and _yields(entry)]
    if not taken:
        return live
    fields = functools.reduce(_union, (entry.get("fieldsV1") or {} for entry in (*ours, *taken)))
    merged = (ours or taken)[0] | {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    rest = [entry for entry in entries if entry not in ours and entry not in taken]
    return client.patch(path, [{"op": "replace", "path": "/metadata/managedFields", "value": [*rest, merged]}])


def _managed(live: Object) -> list[Object]:
    return objects.metadata(live).get("managedFields") or []


def _yields(entry: Object) -> bool:
    name, operation = str(entry.get("manager", "")), entry.get("operation")
    matches = any(name.startswith(prefix) and operation == wanted for prefix, wanted in _TAKEN_OVER)
    return matches and not entry.get("subresource")


def _union(one: Object, other: Object) -> Object:
    return one | {key: _union(one.get(key, {}), fields) for key, fields in other.items()}


def replace(client: Client, path: str, body: Object, live: Object, *, manager: str, preview: bool) -> Object:
    """Replace a CustomResourceDefinition: applying one leaves the fields of old versions behind."""
    versioned = deepcopy(body)
    versioned["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    query = {"fieldManager": manager} | ({"dryRun": "All"} if preview else {})
    return client.put(path, versioned, **query)


def leave_ignored(body: Object, live: Object, ignored: Iterable[Path], manager: str) -> Object:
    """Return the body with ignored places as they are: left out where another manager owns them, else as live."""
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
