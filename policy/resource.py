"""A resource as the rules see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policy.known import UNKNOWN, Value, dig


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """A resource: its properties in wire names, and which resources each property comes from, where that is told."""

    type: str
    name: str
    urn: str
    properties: dict[str, Any]
    protect: bool
    sources: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # Where it is in the list that it is a member of, for the sentence about a breach.
    place: str = ""
    # The properties of the provider that makes it.
    provider: Mapping[str, Any] = field(default_factory=dict)

    def get(self, *path: str) -> Value:
        """Return the property at `path`, as `known.dig` does."""
        return dig(self.properties, *path)

    def refers_to(self, other: "Resource", property_: str, *identities: str) -> bool:
        """Tell whether a property is one of the `identities` of `other`.

        One that is unknown is made from what `sources` tells; where that is nothing, it may be of any resource.
        """
        value = self.get(property_)
        sources = self.sources.get(property_, ())
        if value is UNKNOWN:
            return other.urn in sources or not sources
        known = [other.get(identity) for identity in identities if other.get(identity) not in (None, UNKNOWN)]
        return value in known or (not known and other.urn in sources)
