"""The properties of a resource type by role, and the rules for inputs that follow from the roles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.plugins.values import Bag, reveal


@dataclass(frozen=True, kw_only=True, slots=True)
class Fields:
    """The properties of a resource type, named as in Pulumi's protocol."""

    required: tuple[str, ...] = ()
    # Other inputs with their defaults. None leaves the choice to the service.
    optional: Mapping[str, Any] = field(default_factory=dict)
    # Outputs that only the service knows.
    computed: tuple[str, ...] = ()
    # Inputs whose change replaces the resource.
    replacing: frozenset[str] = frozenset()
    # Inputs that the service fills in if the program leaves them out, so that removing one changes nothing.
    filled_in: frozenset[str] = frozenset()
    # Lists whose order doesn't matter.
    sets: frozenset[str] = frozenset()
    # JSON texts, which are compared by meaning.
    documents: frozenset[str] = frozenset()
    # Inputs and outputs to be encrypted in the state.
    secret: frozenset[str] = frozenset()
    # Inputs that the service accepts but never returns.
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
        """Return the inputs without secret marks, completed with defaults."""
        explicit = {name: reveal(value) for name, value in inputs.items() if name in self.inputs and value is not None}
        return self.defaults | explicit

    def ordered(self, inputs: Mapping[str, Any]) -> Bag:
        """Return the inputs with their sets sorted, for comparison."""
        return {
            name: sorted(value, key=str) if name in self.sets and isinstance(value, list) else value
            for name, value in inputs.items()
        }

    def failures(self, type_token: str, inputs: Mapping[str, Any]) -> dict[str, str]:
        """Return an error for each required input that is missing and each input that doesn't exist, by name."""
        missing = {name: f"{name} is required" for name in self.required if inputs.get(name) is None}
        unknown = {
            name: f"{type_token} has no input {name!r} in the embedded plugin; it has {', '.join(sorted(self.inputs))}"
            for name in inputs
            if name not in self.inputs and not name.startswith("__")
        }
        return missing | unknown
