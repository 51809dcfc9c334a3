"""Server-side apply: what to send for a program's inputs, and what to do about fields that others have taken over."""

import re
from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Final

from local.plugins.kubernetes import objects
from local.plugins.kubernetes.client import ApiError, Client, Object
from local.plugins.paths import Path
from local.plugins.provider import PluginError

# A person's change by kubectl gives way to the program's; a controller's stays, and is an error.
_YIELDING: Final = re.compile(r"kubectl\b|before-first-apply$|pulumi-(kubernetes|resource-kubernetes)")
_MANAGER_OF_CONFLICT: Final = re.compile(r'conflicts? with "([^"]+)"')


def send(client: Client, path: str, body: Object, *, manager: str, preview: bool, force: bool = False) -> Object:
    """Apply an object and return what became of it; a preview changes nothing.

    Raises:
        PluginError: another manager owns a field that the object sets to something else.
        ApiError: the API server refuses it for another reason.
    """
    query = {"fieldManager": manager, "fieldValidation": "Warn"} | ({"dryRun": "All"} if preview else {})
    force = force or objects.annotated(body, objects.PATCH_FORCE)
    try:
        return client.apply(path, body, force=str(force).lower(), **query)
    except ApiError as error:
        if not error.conflict or not _owners(error):
            raise
        if all(_YIELDING.match(owner) for owner in _owners(error)):
            return client.apply(path, body, force="true", **query)
        message = (
            f"{error}; leave the field out of the program, list it in ignore_changes, "
            f"or take it over with the annotation {objects.PATCH_FORCE}"
        )
        raise PluginError(message) from error


def _owners(error: ApiError) -> list[str]:
    causes = [cause for cause in error.causes if cause.get("reason") == "FieldManagerConflict"]
    found = (_MANAGER_OF_CONFLICT.search(cause.get("message", "")) for cause in causes)
    return [match.group(1) for match in found if match]


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
