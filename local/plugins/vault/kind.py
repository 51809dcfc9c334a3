"""What all Vault resource types have in common: names on the wire, defaults, and the documents at an API path."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from local.plugins.fields import Fields
from local.plugins.values import Bag
from local.plugins.vault.client import Vault

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def api_name(name: str) -> str:
    """Return Vault's name of a property: `minDecryptionVersion` is `min_decryption_version`."""
    return _CAPITAL.sub("_", name).lower()


class Kind(ABC):
    """One resource type. Inputs come complete with their defaults, and without secret marks."""

    fields: ClassVar[Fields]

    @abstractmethod
    def identify(self, inputs: Bag) -> str:
        """Return the id, the official provider's."""

    @abstractmethod
    def locate(self, identity: str) -> Bag:
        """Return the inputs that an id tells, for an import."""

    @abstractmethod
    def create(self, vault: Vault, inputs: Bag) -> None:
        """Make the resource."""

    @abstractmethod
    def read(self, vault: Vault, inputs: Bag) -> Bag | None:
        """Return what Vault holds, in Pulumi's names, or None when it is gone."""

    @abstractmethod
    def update(self, vault: Vault, old: Bag, new: Bag) -> None:
        """Change the resource in place."""

    @abstractmethod
    def delete(self, vault: Vault, inputs: Bag) -> None:
        """Delete the resource."""


class Document(Kind):
    """A resource that is written, read and deleted whole at one API path, which is also its id."""

    # The path, with the names of inputs in braces.
    path: ClassVar[str]

    def address(self, inputs: Bag) -> str:
        """Return the API path."""
        return self.path.format_map({name: str(inputs[name]).strip("/") for name in self._in_path()})

    def identify(self, inputs: Bag) -> str:
        """Return the API path."""
        return self.address(inputs)

    def locate(self, identity: str) -> Bag:
        """Read the inputs that the path holds."""
        match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>.+)", self.path), identity)
        return dict(match.groupdict()) if match else {}

    def create(self, vault: Vault, inputs: Bag) -> None:
        """Write the document."""
        vault.write(self.address(inputs), self.body(inputs))

    def read(self, vault: Vault, inputs: Bag) -> Bag | None:
        """Read the document, and add what its path tells."""
        data = vault.read(self.address(inputs))
        return None if data is None else named(data, self.fields) | {name: inputs[name] for name in self._in_path()}

    def update(self, vault: Vault, old: Bag, new: Bag) -> None:
        """Write the document anew."""
        self.create(vault, emptied(self.fields, old, new))

    def delete(self, vault: Vault, inputs: Bag) -> None:
        """Delete the document."""
        vault.delete(self.address(inputs))

    def body(self, inputs: Bag) -> Bag:
        """Return what to write: all inputs but those of the path."""
        outside = {*self._in_path(), "namespace"}
        return {api_name(name): value for name, value in inputs.items() if name not in outside}

    def _in_path(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)


def emptied(fields: Fields, old: Bag, new: Bag) -> Bag:
    """Return new inputs, with what isn't given any more as empty: what an update leaves out, Vault keeps."""
    return {name: type(value)() for name, value in old.items() if name not in new.keys() | fields.kept} | new


def named(data: Mapping[str, Any], fields: Fields) -> Bag:
    """Pick the properties of a resource type from Vault's answer, in Pulumi's names."""
    names = (fields.inputs | frozenset(fields.computed)) - fields.write_only
    found = {name: data.get(api_name(name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}
