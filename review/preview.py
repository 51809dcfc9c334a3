"""A preview of a stack: the changes to its resources, the errors and the violated policies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """The kinds of change to a resource, the most important to a reviewer first."""

    DELETE = "delete"
    REPLACE = "replace"
    UPDATE = "update"
    CREATE = "create"


# The engine's operations, from https://github.com/pulumi/pulumi/blob/master/pkg/resource/deploy/step.go. The engine
# reports a replacement as several steps. None marks an operation that changes nothing.
ACTIONS: Mapping[str, Action | None] = {
    "create": Action.CREATE,
    "import": Action.CREATE,
    "update": Action.UPDATE,
    "replace": Action.REPLACE,
    "create-replacement": Action.REPLACE,
    "delete-replaced": Action.REPLACE,
    "import-replacement": Action.REPLACE,
    "delete": Action.DELETE,
    "same": None,
    "refresh": None,
    "read": None,
    "read-replacement": None,
    "discard": None,
    "discard-replaced": None,
    "remove-pending-replace": None,
    "diff": None,
    "extend-parameterize": None,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A resource before or after a step."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    protected: bool = False
    # Set by `retainOnDelete`: a delete removes the resource from the state only.
    retained: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A difference in one property: whether it forces a replacement, and whether it is in the inputs or the outputs."""

    replaces: bool = False
    of_inputs: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """The change to one resource, with its `differences` by property path."""

    action: Action
    urn: str
    old: State = field(default_factory=State)
    new: State = field(default_factory=State)
    differences: Mapping[str, Difference] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """The resource's type, such as `aws:s3/bucket:Bucket`."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """The resource's logical name."""
        return self.urn.split("::", 3)[3]


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A resource's violation of a policy, which is only advice unless it is mandatory."""

    policy: str
    urn: str
    message: str
    mandatory: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """A preview of one stack, whichever form the engine wrote it in."""

    stack: str
    steps: tuple[Step, ...] = ()
    unchanged: int = 0
    errors: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()
    # Whether the engine finished and reported no error.
    succeeded: bool = False

    @property
    def mandatory(self) -> tuple[Violation, ...]:
        """The violations that stop an update."""
        return tuple(violation for violation in self.violations if violation.mandatory)

    @property
    def failed(self) -> bool:
        """Whether the preview failed or violates a mandatory policy, and so must not be applied."""
        return not self.succeeded or bool(self.mandatory)

    def count(self, action: Action) -> int:
        """Return the number of resources with that action."""
        return sum(step.action is action for step in self.steps)
