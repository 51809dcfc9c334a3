"""The properties of a resource type by the role that they play, and what follows from that for its inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.plugins.values import Bag, reveal


@dataclass(frozen=True, kw_only=True, slots=True)
class Fields:
    """Names as on Pulumi's wire."""

    required: tuple[str, ...] = ()
    # Other inputs, with the value that stands for "not given": None leaves it to the service.
    optional: Mapping[str, Any] = field(default_factory=dict)
    # Outputs that only the service knows.
    computed: tuple[str, ...] = ()
    # Inputs whose change makes a new resource.
    replacing: frozenset[str] = frozenset()
    # Inputs that the service fills in where the program gives none: leaving one out of the program changes nothing.
    kept: frozenset[str] = frozenset()
    # Lists whose order means nothing.
    sets: frozenset[str] = frozenset()
    # Texts of JSON, which are compared by what they mean.
    documents: frozenset[str] = frozenset()
    # Inputs and outputs to be encrypted in the state.
    secret: frozenset[str] = frozenset()
    # Inputs that the service takes and never shows again.
    write_only: frozenset[str] = frozenset()

    @property
    def defaults(self) -> Bag:
        """The inputs that have a default."""
        return {name: value for name, value in self.optional.items() if value is not None}

    @property
    def inputs(self) -> frozenset[str]:
        """All inputs."""
        return frozenset(self.required) | frozenset(self.optional)

    def complete(self, inputs: Mapping[str, Any]) -> Bag:
        """Return bare inputs, with defaults for those that aren't given."""
        given = {name: reveal(value) for name, value in inputs.items() if name in self.inputs and value is not None}
        return self.defaults | given

    def ordered(self, inputs: Mapping[str, Any]) -> Bag:
        """Return inputs with their sets in one order, for a comparison."""
        return {
            name: sorted(value, key=str) if name in self.sets and isinstance(value, list) else value
            for name, value in inputs.items()
        }

    def failures(self, type_token: str, inputs: Mapping[str, Any]) -> dict[str, str]:
        """Return what is wrong with the names of the given inputs, by name: one is missing, or there is no such."""
        missing = {name: f"{name} is required" for name in self.required if inputs.get(name) is None}
        unknown = {
            name: f"{type_token} has no input {name!r} in the embedded plugin; it has {', '.join(sorted(self.inputs))}"
            for name in inputs
            if name not in self.inputs and not name.startswith("__")
        }
        return missing | unknown
