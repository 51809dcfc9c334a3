"""Values of which a preview may not know all.

The policy SDK raises `UnknownValueError` where such a value is read, and then only advises that the rule could not run:
one unknown ARN would switch a mandatory rule off. Here an unknown value is a value, `UNKNOWN`, so that a rule judges
what is known beside it. What is unknown breaks no rule yet: it is judged by the update, before the resource is made.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pulumi_policy.proxy import UnknownValueError

# Whatever a property may hold: a text, a number, a list or a dictionary of such, or UNKNOWN.
Value = Any


class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


def plain(value: Value) -> Value:
    """Return what the SDK hands to a rule as plain dictionaries and lists, with `UNKNOWN` in the place of unknowns."""
    if isinstance(value, Mapping):
        return {key: _member(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_member(value, index) for index in range(len(value))]
    return value


def _member(container: Value, key: str | int) -> Value:
    try:
        return plain(container[key])
    except UnknownValueError:
        return UNKNOWN


def dig(value: Value, *path: str) -> Value:
    """Return what lies at `path` of nested dictionaries: None where there is nothing, UNKNOWN below an unknown."""
    for key in path:
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, dict) else None
    return value


def known_items(value: Value) -> list[Value]:
    """Return the known members of a list; what is no list, such as UNKNOWN or None, has none."""
    return [item for item in value if item is not UNKNOWN] if isinstance(value, list) else []


def known_objects(value: Value) -> list[dict[str, Value]]:
    """Return the known members of a list that are dictionaries; others are none that an API takes."""
    return [item for item in known_items(value) if isinstance(item, dict)]


def holds_unknown(value: Value) -> bool:
    """Tell whether something is unknown in a value, however deep."""
    if isinstance(value, dict | list):
        return any(map(holds_unknown, value.values() if isinstance(value, dict) else value))
    return value is UNKNOWN


def differs(value: Value, wanted: object) -> bool:
    """Tell whether `value` is known, and another one than `wanted`."""
    return value is not UNKNOWN and value != wanted
