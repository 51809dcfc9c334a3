"""The base class of all AWS resource types."""

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
    """Return the properties of a type, plus `region`, `tags` and `tagsAll`, which most types have."""
    shared = ({"region": None} if regional else {}) | ({"tags": None} if tagged else {})
    return Fields(
        required=required,
        optional={**(optional or {}), **shared},
        computed=(*computed, *(("region",) if regional else ()), *(("tagsAll",) if tagged else ())),
        replacing=frozenset(replacing) | ({"region"} if regional else frozenset()),
        sets=frozenset(sets),
        documents=frozenset(documents),
        secret=frozenset(secret),
        write_only=frozenset(write_only),
    )


class Kind(ABC):
    """One resource type. Its methods receive inputs with defaults and without secret marks."""

    fields: ClassVar[Fields]
    # The input that gets a generated name if the program doesn't set it.
    named: ClassVar[str | None] = None

    def generate_name(self, name: str, seed: bytes) -> str:
        """Return a unique name in the official plugin's form, in lower case, which most services require."""
        return unique(f"{name}-", seed, digits=7).lower()

    def failures(self, _inputs: Bag, /) -> dict[str, str]:
        """Return validation errors by input name. Values may be unknown."""
        return {}

    def normal(self, inputs: Bag) -> Bag:
        """Return complete inputs in a normal form, for comparison."""
        return self.fields.ordered(inputs)

    def same(self, path: Path, old: Tree, new: Tree) -> bool:
        """Compare two scalars; documents by meaning."""
        if path[0] in self.fields.documents and isinstance(old, str) and isinstance(new, str):
            return equivalent(old, new)
        return equal(path, old, new)

    def replaces(self, changed: Path, _old: Bag, _new: Bag, /) -> bool:
        """Return whether the change at a path replaces the resource."""
        return changed[0] in self.fields.replacing

    def blocks_new(self, old: Bag, new: Bag) -> bool:
        """Return whether the old resource must be deleted before the new one can be created."""
        return self.named is not None and old.get(self.named) == new.get(self.named)

    @abstractmethod
    def locate(self, identity: str, /) -> Bag:
        """Return the inputs that can be read from an id, for an import."""

    @abstractmethod
    def create(self, aws: Aws, inputs: Bag, /) -> str:
        """Create the resource and return the id that the official provider gives it."""

    def settle(self, _aws: Aws, _identity: str, _inputs: Bag, /) -> None:  # noqa: B027 - most types need nothing more.
        """Finish setting up a new resource. If this fails, the resource stays in the state."""

    @abstractmethod
    def read(self, aws: Aws, identity: str, inputs: Bag, /) -> Bag | None:
        """Return the current properties with Pulumi's names, or None if the resource is gone.

        A property that is missing is assumed to match the inputs. None means that AWS has no value for it.
        """

    def update(self, _aws: Aws, identity: str, _old: Bag, _new: Bag, /) -> None:
        """Change the resource in place."""
        raise PluginError(f"{identity} can't be changed in place")

    @abstractmethod
    def delete(self, aws: Aws, identity: str, inputs: Bag, /) -> None:
        """Delete the resource. Succeed if it is already gone."""


def changed(old: Bag, new: Bag, *names: str) -> bool:
    """Return whether any of the named inputs differs."""
    return any(old.get(name) != new.get(name) for name in names)


def tag_changes(old: Bag, new: Bag) -> tuple[dict[str, str], list[str]]:
    """Return the tags to set and the keys of the tags to remove."""
    before, after = old.get("tags") or {}, new.get("tags") or {}
    return (
        {key: value for key, value in after.items() if before.get(key) != value},
        sorted(before.keys() - after.keys()),
    )


def tags(found: Mapping[str, str]) -> Bag:
    """Return the properties `tags` and `tagsAll` of a resource with these tags."""
    return {"tags": dict(found), "tagsAll": dict(found)}
