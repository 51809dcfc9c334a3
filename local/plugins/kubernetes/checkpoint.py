"""An object in Pulumi's state, in the official plugin's form: the live object, its inputs and its field manager."""

from typing import Final

from local.plugins.kubernetes.client import Object
from local.plugins.kubernetes.inputs import from_api
from local.plugins.values import Bag, Secret, mark_like, reveal_bag

_INPUTS: Final = "__inputs"
_API_VERSION: Final = "__initialApiVersion"
_MANAGER: Final = "__fieldManager"
_SECRET_FIELDS: Final = ("data", "stringData")


def write(live: Object, inputs: Bag, manager: str) -> Bag:
    """Return the outputs for a live object and its inputs, which carry secret marks."""
    return secured(mark_like(from_api(live), inputs)) | {
        _INPUTS: secured(inputs),
        _API_VERSION: live.get("apiVersion"),
        _MANAGER: manager,
    }


def secured(bag: Bag) -> Bag:
    """Mark the contents of a Secret, even if the program didn't."""
    if bag.get("kind") != "Secret":
        return bag
    return {
        key: Secret(value) if key in _SECRET_FIELDS and not isinstance(value, Secret) else value
        for key, value in bag.items()
    }


def live(state: Bag) -> Object:
    """Return the live object that the state recorded."""
    return {key: value for key, value in reveal_bag(state).items() if not key.startswith("__")}


def inputs(state: Bag) -> Object:
    """Return the inputs that the state recorded."""
    return reveal_bag(state).get(_INPUTS) or {}


def manager(state: Bag) -> str:
    """Return the field manager that the state recorded, or "" if there is none."""
    return str(reveal_bag(state).get(_MANAGER) or "")
