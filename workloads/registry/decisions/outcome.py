"""The result of a decision."""

from dataclasses import dataclass
from typing import Any

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.registry.decisions.record import Action
from workloads.registry.policy import Report


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The result of a decision: what moved, if anything did, and the record that says so.

    `reason` says why an automatic promotion moved nothing.
    """

    model: str
    action: Action
    alias: str
    from_version: str | None
    to_version: str | None
    moved: bool
    record: int | None = None
    record_uri: str | None = None
    report: Report | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON object."""
        names = ("model", "action", "alias", "from_version", "to_version", "moved", "record", "record_uri")
        fields: dict[str, Any] = {name: getattr(self, name) for name in names}
        if self.report:
            fields["report"] = self.report.to_json()
        if self.reason:
            fields["reason"] = self.reason
        return fields


class PolicyRefusedError(WorkloadError):
    """The policy refuses a promotion; `outcome` has its report."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message, Exit.REFUSED)
        self.outcome = outcome
