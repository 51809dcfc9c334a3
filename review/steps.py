"""What the engine would do to one resource."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What happens to a resource, in the order in which a reviewer wants to see it."""

    DELETE = "delete"
    REPLACE = "replace"
    UPDATE = "update"
    CREATE = "create"


# The engine's operations, of https://github.com/pulumi/pulumi/blob/master/pkg/resource/deploy/step.go: a replacement is
# told as several steps, and reading changes nothing.
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
    """A resource before or after the step."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    protected: bool = False
    # Deleting it only forgets it: what it stands for is kept.
    retained: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How one property differs: whether that forces a replacement, and whether inputs differ or outputs."""

    replaces: bool = False
    of_inputs: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One resource's change; `differences` are by the path of the property."""

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
