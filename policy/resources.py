"""Resources as the rules see them, and their values, some of which a preview doesn't know yet.

The policy SDK raises `UnknownValueError` when a rule reads an unknown value, and then only warns that the rule could
not run: one unknown ARN would switch off a mandatory rule. Here an unknown value is a value, `UNKNOWN`, so a rule can
still judge the known values beside it. An unknown value breaks no rule in the preview. The update judges it, before the
resource is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pulumi_policy.proxy import UnknownValueError

# The value of a property: a text, a number, a list or a dictionary of values, or UNKNOWN.
Value = Any


class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """A resource: its properties under their wire names, and the URNs of the resources that each property comes from.

    The engine reports `sources` only at the end of a preview or an update.
    """

    type: str
    name: str
    urn: str
    properties: dict[str, Any]
    protect: bool
    sources: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # A member of a list resource: the prefix of its messages, such as "items[1]: ".
    place: str = ""
    # The properties of the resource's provider.
    provider: Mapping[str, Any] = field(default_factory=dict)

    def get(self, *path: str) -> Value:
        """Return the property at `path`, as `dig` does."""
        return dig(self.properties, *path)

    def refers_to(self, other: "Resource", property_: str, *identities: str) -> bool:
        """Return whether a property holds one of the `identities` of `other`.

        An unknown property refers to its sources. Without sources, it may refer to any resource.
        """
        value = self.get(property_)
        sources = self.sources.get(property_, ())
        if value is UNKNOWN:
            return other.urn in sources or not sources
        names = [other.get(identity) for identity in identities if other.get(identity) not in (None, UNKNOWN)]
        return value in names or (not names and other.urn in sources)


def plain(value: Value) -> Value:
    """Return a value of the SDK as plain dictionaries and lists, with `UNKNOWN` for each unknown value."""
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
    """Return the value at `path` in nested dictionaries: None if it is missing, UNKNOWN below an unknown value."""
    for key in path:
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, dict) else None
    return value


def known_items(value: Value) -> list[Value]:
    """Return the known members of a list; an empty list for any other value, such as UNKNOWN or None."""
    return [item for item in value if item is not UNKNOWN] if isinstance(value, list) else []


def known_objects(value: Value) -> list[dict[str, Value]]:
    """Return the known dictionaries in a list. No API takes anything else in these lists."""
    return [item for item in known_items(value) if isinstance(item, dict)]


def holds_unknown(value: Value) -> bool:
    """Return whether a value is unknown, or holds an unknown value at any depth."""
    if isinstance(value, dict | list):
        return any(map(holds_unknown, value.values() if isinstance(value, dict) else value))
    return value is UNKNOWN


def differs(value: Value, required: object) -> bool:
    """Return whether `value` is known and not `required`."""
    return value is not UNKNOWN and value != required
