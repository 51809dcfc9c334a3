"""What a provider plugin is here, free of gRPC: the requests it gets, the answers it gives, how it fails.

`serve` translates the engine's protocol to and from these. A provider's methods run in many threads at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from local.plugins.paths import Path
from local.plugins.values import Bag, reveal_bag


class PluginError(Exception):
    """A failure that the user can act on; its message is shown as it is."""


class InvalidInputsError(PluginError):
    """Inputs that can't be used, each with the property that is at fault ("" for the whole resource)."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        super().__init__("; ".join(failures.values()))
        self.failures = dict(failures)


class NotReadyError(PluginError):
    """A resource that exists but never became ready: it stays in the state and the next update tries again."""

    def __init__(self, message: str, state: "State") -> None:
        super().__init__(message)
        self.state = state


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One operation on one resource; what an operation doesn't have keeps its default."""

    urn: str
    type: str
    name: str
    id: str = ""
    # The inputs that the program gives now; for a read, and a delete, those of the last update.
    inputs: Bag = field(default_factory=dict)
    old_inputs: Bag = field(default_factory=dict)
    # The outputs that the last operation left in the state.
    state: Bag = field(default_factory=dict)
    ignore: tuple[Path, ...] = ()
    # Seconds; 0 leaves it to the provider.
    timeout: float = 0
    preview: bool = False
    seed: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A resource as it is: no `id` means it doesn't exist (or, in a preview, not yet)."""

    id: str
    outputs: Bag
    inputs: Bag = field(default_factory=dict)


class Change(Enum):
    """What happens to one property."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Diff:
    """The properties that change, those of them that force a new resource, and in which order old and new live."""

    changes: Mapping[Path, Change] = field(default_factory=dict)
    replaces: frozenset[Path] = frozenset()
    delete_before_replace: bool = False


class Host(ABC):
    """The engine that a provider tells its messages, to be shown beside the resource they are about."""

    @abstractmethod
    def info(self, message: str, urn: str = "") -> None:
        """Tell something that stays in the output."""

    @abstractmethod
    def warn(self, message: str, urn: str = "") -> None:
        """Warn about something that the user should change."""

    @abstractmethod
    def status(self, message: str, urn: str = "") -> None:
        """Tell what is going on right now; the next message takes its place."""


class Provider(ABC):
    """A package of resource types, configured once and then asked about single resources.

    `name` and `version` are those of the official package that it stands in for.
    """

    name: str
    version: str

    def __init__(self, host: Host) -> None:
        self.host = host

    def check_config(self, config: Bag) -> Bag:
        """Check the provider's own inputs; values may be unknown."""
        return config

    def diff_config(self, old: Bag, new: Bag) -> Diff:
        """Compare the provider's own inputs, whoever marked them secret: a replaced one replaces all its resources."""
        before, after = reveal_bag(old), reveal_bag(new)
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        return Diff(changes={(key,): Change.UPDATE for key in changed})

    @abstractmethod
    def configure(self, config: Bag) -> None:
        """Take the provider's inputs, which may hold secrets."""

    @abstractmethod
    def check(self, request: Request) -> Bag:
        """Return the inputs with defaults and a name; unknown values are left alone."""

    @abstractmethod
    def diff(self, request: Request) -> Diff:
        """Compare `old_inputs` with `inputs`."""

    @abstractmethod
    def create(self, request: Request) -> State:
        """Make the resource, or in a preview tell what it would look like."""

    @abstractmethod
    def read(self, request: Request) -> State | None:
        """Return the resource as it is now, or None when it is gone."""

    @abstractmethod
    def update(self, request: Request) -> State:
        """Change the resource in place, or in a preview tell what it would look like."""

    @abstractmethod
    def delete(self, request: Request) -> None:
        """Delete the resource; one that is gone already is no error."""

    def invoke(self, token: str, arguments: Bag) -> Bag:  # noqa: ARG002 - most packages have no functions.
        """Return the result of a function of the package."""
        message = f"the embedded plugin {self.name!r} has no functions, so not {token!r} either"
        raise PluginError(message)

    def cancel(self) -> None:  # noqa: B027 - most providers have nothing that takes long.
        """Let running operations end early: the user has interrupted the engine."""
