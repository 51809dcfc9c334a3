"""Helpers for Kubernetes objects as plain dicts: kind, metadata, annotations, conditions and identity."""

from collections.abc import Mapping
from typing import Any, Final

from local.plugins.kubernetes.client import Object
from local.plugins.provider import PluginError

AUTONAMED: Final = "pulumi.com/autonamed"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
WAIT_FOR: Final = "pulumi.com/waitFor"
TIMEOUT_SECONDS: Final = "pulumi.com/timeoutSeconds"
REPLACE_UNREADY: Final = "pulumi.com/replaceUnready"
PATCH_FORCE: Final = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER: Final = "pulumi.com/patchFieldManager"
DELETION_PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"

# Set by the API server, never inputs.
READ_ONLY_METADATA: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)


def kind_of(type_token: str) -> tuple[str, str]:
    """Return apiVersion and kind of a type such as `kubernetes:apps/v1:Deployment`.

    Raises:
        PluginError: the type isn't a single Kubernetes object.
    """
    package, _, rest = type_token.partition(":")
    module, _, kind = rest.rpartition(":")
    group, _, version = module.rpartition("/")
    if package != "kubernetes" or not group or not version or not kind:
        message = (
            f"the embedded plugin 'kubernetes' doesn't know {type_token!r}; it knows the kinds of the Kubernetes API, "
            "such as 'kubernetes:apps/v1:Deployment', and custom resources, but not Helm charts or YAML files"
        )
        raise PluginError(message)
    for suffix, advice in (("List", "create the objects of the list one by one"), ("Patch", "manage the whole object")):
        if kind.endswith(suffix) and kind != suffix:
            message = f"the embedded plugin 'kubernetes' can't create a {kind} ({type_token}): {advice}"
            raise PluginError(message)
    return (version if group == "core" else f"{group}/{version}"), kind


def metadata(thing: Mapping[str, Any]) -> Object:
    """Return the metadata, empty if it is missing or unknown."""
    value = thing.get("metadata")
    return value if isinstance(value, dict) else {}


def name(thing: Mapping[str, Any]) -> str:
    """Return the name, empty if it is missing or unknown."""
    value = metadata(thing).get("name")
    return value if isinstance(value, str) else ""


def namespace(thing: Mapping[str, Any]) -> str:
    """Return the namespace, empty if it is missing or unknown."""
    value = metadata(thing).get("namespace")
    return value if isinstance(value, str) else ""


def annotation(thing: Mapping[str, Any], key: str) -> str:
    """Return an annotation, empty if it is missing."""
    annotations = metadata(thing).get("annotations")
    value = annotations.get(key) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else ""


def annotated(thing: Mapping[str, Any], key: str) -> bool:
    """Return whether an annotation is `true`."""
    return annotation(thing, key) == "true"


def dig(thing: Any, *path: str) -> Any:  # noqa: ANN401 - any JSON value.
    """Return the value at a path of keys, or None."""
    for key in path:
        thing = thing.get(key) if isinstance(thing, dict) else None
    return thing


def condition(thing: Mapping[str, Any], kind: str) -> Object:
    """Return a condition of the status, empty if it is missing."""
    conditions = dig(thing, "status", "conditions") or []
    return next((each for each in conditions if each.get("type") == kind), {})


def identity(thing: Mapping[str, Any]) -> str:
    """Return the id in the state: `namespace/name`, or just the name of an object without a namespace."""
    return f"{namespace(thing)}/{name(thing)}".removeprefix("/")


def split_identity(text: str) -> tuple[str, str]:
    """Return the namespace and the name from an id."""
    namespace_part, _, name_part = text.rpartition("/")
    return namespace_part, name_part
