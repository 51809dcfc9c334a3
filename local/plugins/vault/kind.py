"""The base classes of the Vault resource types, and the conversion between Pulumi's names and Vault's."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from local.plugins.fields import Fields
from local.plugins.values import Bag
from local.plugins.vault.client import Vault

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def api_name(name: str) -> str:
    """Return Vault's name for a property: `minDecryptionVersion` becomes `min_decryption_version`."""
    return _CAPITAL.sub("_", name).lower()


class Kind(ABC):
    """One resource type. Its methods receive inputs with defaults and without secret marks."""

    fields: ClassVar[Fields]

    @abstractmethod
    def identify(self, inputs: Bag) -> str:
        """Return the id that the official provider gives the resource."""

    @abstractmethod
    def locate(self, identity: str) -> Bag:
        """Return the inputs that can be read from an id, for an import."""

    @abstractmethod
    def create(self, vault: Vault, inputs: Bag) -> None:
        """Create the resource."""

    @abstractmethod
    def read(self, vault: Vault, inputs: Bag) -> Bag | None:
        """Return the current properties with Pulumi's names, or None if the resource is gone."""

    @abstractmethod
    def update(self, vault: Vault, old: Bag, new: Bag) -> None:
        """Change the resource in place."""

    @abstractmethod
    def delete(self, vault: Vault, inputs: Bag) -> None:
        """Delete the resource."""


class Document(Kind):
    """A resource that is written, read and deleted as a whole at one API path, which is also its id."""

    # The path, with the names of inputs in braces.
    path: ClassVar[str]

    def address(self, inputs: Bag) -> str:
        """Return the API path."""
        return self.path.format_map({name: str(inputs[name]).strip("/") for name in self._in_path()})

    def identify(self, inputs: Bag) -> str:
        """Return the API path."""
        return self.address(inputs)

    def locate(self, identity: str) -> Bag:
        """Return the inputs that the path contains."""
        match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>.+)", self.path), identity)
        return dict(match.groupdict()) if match else {}

    def create(self, vault: Vault, inputs: Bag) -> None:
        """Write the document."""
        vault.write(self.address(inputs), self.body(inputs))

    def read(self, vault: Vault, inputs: Bag) -> Bag | None:
        """Read the document, and add the inputs from its path."""
        data = vault.read(self.address(inputs))
        return None if data is None else named(data, self.fields) | {name: inputs[name] for name in self._in_path()}

    def update(self, vault: Vault, old: Bag, new: Bag) -> None:
        """Replace the document."""
        self.create(vault, emptied(self.fields, old, new))

    def delete(self, vault: Vault, inputs: Bag) -> None:
        """Delete the document."""
        vault.delete(self.address(inputs))

    def body(self, inputs: Bag) -> Bag:
        """Return the inputs to write, which are all but those in the path."""
        excluded = {*self._in_path(), "namespace"}
        return {api_name(name): value for name, value in inputs.items() if name not in excluded}

    def _in_path(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)


def emptied(fields: Fields, old: Bag, new: Bag) -> Bag:
    """Return the new inputs plus empty values for removed ones, because Vault keeps what an update leaves out."""
    return {name: type(value)() for name, value in old.items() if name not in new.keys() | fields.filled_in} | new


def named(data: Mapping[str, Any], fields: Fields) -> Bag:
    """Return the properties of a resource type from Vault's response, with Pulumi's names."""
    names = (fields.inputs | frozenset(fields.computed)) - fields.write_only
    found = {name: data.get(api_name(name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}
