"""The interface of a provider plugin, independent of gRPC: its requests, responses and errors.

`serve` translates between the engine's protocol and these types. A provider's methods run in many threads at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from local.plugins.paths import Path
from local.plugins.values import Bag, reveal_bag


class PluginError(Exception):
    """A failure that the user can act on. Its message is shown unchanged."""


class InvalidInputsError(PluginError):
    """Invalid inputs, with a message for each property at fault ("" for the whole resource)."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        super().__init__("; ".join(failures.values()))
        self.failures = dict(failures)


class NotReadyError(PluginError):
    """A resource that was created but never became ready. It stays in the state, and the next update tries again."""

    def __init__(self, message: str, state: "State") -> None:
        super().__init__(message)
        self.state = state


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One operation on one resource. Fields that an operation doesn't use keep their defaults."""

    urn: str
    type: str
    name: str
    id: str = ""
    # The inputs in the program; for a read or a delete, those of the last update.
    inputs: Bag = field(default_factory=dict)
    old_inputs: Bag = field(default_factory=dict)
    # The outputs that the last operation stored in the state.
    state: Bag = field(default_factory=dict)
    ignore: tuple[Path, ...] = ()
    # Seconds; 0 means the provider's default.
    timeout: float = 0
    preview: bool = False
    seed: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """The current state of a resource. An empty `id` means that it doesn't exist (in a preview: not yet)."""

    id: str
    outputs: Bag
    inputs: Bag = field(default_factory=dict)


class Change(Enum):
    """The kind of change to one property."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Diff:
    """The properties that change, those that force a replacement, and the order of deletion and creation."""

    changes: Mapping[Path, Change] = field(default_factory=dict)
    replaces: frozenset[Path] = frozenset()
    delete_before_replace: bool = False


class Host(ABC):
    """The engine as the receiver of messages, which it shows beside the resource that they concern."""

    @abstractmethod
    def info(self, message: str, urn: str = "") -> None:
        """Log a message that stays in the output."""

    @abstractmethod
    def warn(self, message: str, urn: str = "") -> None:
        """Warn about something that the user should change."""

    @abstractmethod
    def status(self, message: str, urn: str = "") -> None:
        """Show progress that the next message replaces."""


class Provider(ABC):
    """A package of resource types. It is configured once, then called for one resource at a time.

    `name` and `version` are those of the official package that it replaces.
    """

    name: str
    version: str

    def __init__(self, host: Host) -> None:
        self.host = host

    def announce(self) -> None:
        """Tell the user that this plugin replaces the official one."""
        official = f"{self.name} {self.version}"
        self.host.info(f"Using an embedded plugin: the official {official} is neither on PATH nor installed.")

    def check_config(self, config: Bag) -> Bag:
        """Check the provider's own inputs. Values may be unknown."""
        return config

    def diff_config(self, old: Bag, new: Bag) -> Diff:
        """Compare the provider's own inputs, ignoring secret marks. Replacing a provider replaces all its resources."""
        before, after = reveal_bag(old), reveal_bag(new)
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        return Diff(changes={(key,): Change.UPDATE for key in changed})

    @abstractmethod
    def configure(self, config: Bag) -> None:
        """Store the provider's inputs, which may contain secrets."""

    @abstractmethod
    def check(self, request: Request) -> Bag:
        """Return the inputs with defaults and a name. Unknown values stay unchanged."""

    @abstractmethod
    def diff(self, request: Request) -> Diff:
        """Compare `old_inputs` with `inputs`."""

    @abstractmethod
    def create(self, request: Request) -> State:
        """Create the resource, or in a preview return its expected state."""

    @abstractmethod
    def read(self, request: Request) -> State | None:
        """Return the current state of the resource, or None if it is gone."""

    @abstractmethod
    def update(self, request: Request) -> State:
        """Change the resource in place, or in a preview return its expected state."""

    @abstractmethod
    def delete(self, request: Request) -> None:
        """Delete the resource. Succeed if it is already gone."""

    def invoke(self, token: str, arguments: Bag) -> Bag:  # noqa: ARG002 - most packages have no functions.
        """Call a function of the package and return its result."""
        message = f"the embedded plugin {self.name!r} has no functions, got a call of {token!r}"
        raise PluginError(message)

    def cancel(self) -> None:  # noqa: B027 - most providers have no long-running operations.
        """End running operations early, because the user interrupted the engine."""
