"""What all AWS resource types have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from local.plugins.aws.client import Aws
from local.plugins.aws.documents import equivalent
from local.plugins.diffs import equal
from local.plugins.fields import Fields
from local.plugins.naming import unique
from local.plugins.paths import Path
from local.plugins.provider import PluginError
from local.plugins.values import Bag, Tree


def fields(  # noqa: PLR0913 - the roles that a property can play.
    *,
    required: tuple[str, ...] = (),
    optional: Mapping[str, Any] | None = None,
    computed: tuple[str, ...] = (),
    replacing: Iterable[str] = (),
    sets: Iterable[str] = (),
    documents: Iterable[str] = (),
    secret: Iterable[str] = (),
    write_only: Iterable[str] = (),
    regional: bool = True,
    tagged: bool = True,
) -> Fields:
    """Return the properties of a type, with those that most types have: `region`, `tags` and `tagsAll`."""
    everywhere = ({"region": None} if regional else {}) | ({"tags": None} if tagged else {})
    return Fields(
        required=required,
        optional={**(optional or {}), **everywhere},
        computed=(*computed, *(("region",) if regional else ()), *(("tagsAll",) if tagged else ())),
        replacing=frozenset(replacing) | ({"region"} if regional else frozenset()),
        sets=frozenset(sets),
        documents=frozenset(documents),
        secret=frozenset(secret),
        write_only=frozenset(write_only),
    )


class Kind(ABC):
    """One resource type. Inputs come complete with their defaults, and without secret marks."""

    fields: ClassVar[Fields]
    # The input that is made up from the resource's name when the program doesn't give it.
    named: ClassVar[str | None] = None

    def make_up(self, name: str, seed: bytes) -> str:
        """Return a name for AWS; the official plugin's form, in the small letters that most services demand."""
        return unique(f"{name}-", seed, digits=7).lower()

    def failures(self, _inputs: Bag, /) -> dict[str, str]:
        """Return what is wrong with inputs by themselves, by name; values may be unknown."""
        return {}

    def normal(self, inputs: Bag) -> Bag:
        """Return complete inputs in the one form in which two of them can be compared."""
        return self.fields.ordered(inputs)

    def same(self, path: Path, old: Tree, new: Tree) -> bool:
        """Compare two single values; documents by their meaning."""
        if path[0] in self.fields.documents and isinstance(old, str) and isinstance(new, str):
            return equivalent(old, new)
        return equal(path, old, new)

    def replaces(self, changed: Path, _old: Bag, _new: Bag, /) -> bool:
        """Whether the change at a place makes a new resource."""
        return changed[0] in self.fields.replacing

    def in_the_way(self, old: Bag, new: Bag) -> bool:
        """Whether the old resource must go before the new one can be made."""
        return self.named is not None and old.get(self.named) == new.get(self.named)

    @abstractmethod
    def locate(self, identity: str, /) -> Bag:
        """Return the inputs that an id tells, for an import."""

    @abstractmethod
    def create(self, aws: Aws, inputs: Bag, /) -> str:
        """Make the resource and return its id, the official provider's."""

    def settle(self, _aws: Aws, _identity: str, _inputs: Bag, /) -> None:  # noqa: B027 - most types need nothing more.
        """Do what a new resource needs before it is as the inputs say; a failure leaves it in the state."""

    @abstractmethod
    def read(self, aws: Aws, identity: str, inputs: Bag, /) -> Bag | None:
        """Return what AWS holds, in Pulumi's names, or None when it is gone.

        A property that isn't in it is taken to be as the inputs say; None means that AWS has none.
        """

    def update(self, _aws: Aws, identity: str, _old: Bag, _new: Bag, /) -> None:
        """Change the resource in place."""
        raise PluginError(f"{identity} never changes in place")

    @abstractmethod
    def delete(self, aws: Aws, identity: str, inputs: Bag, /) -> None:
        """Delete the resource; one that is gone is no error."""


def changed(old: Bag, new: Bag, *names: str) -> bool:
    """Whether one of the inputs differs."""
    return any(old.get(name) != new.get(name) for name in names)


def tag_changes(old: Bag, new: Bag) -> tuple[dict[str, str], list[str]]:
    """Return the tags to set and the keys to take away."""
    before, after = old.get("tags") or {}, new.get("tags") or {}
    return (
        {key: value for key, value in after.items() if before.get(key) != value},
        sorted(before.keys() - after.keys()),
    )


def tags(found: Mapping[str, str]) -> Bag:
    """Return the properties for the tags that a resource bears."""
    return {"tags": dict(found), "tagsAll": dict(found)}
