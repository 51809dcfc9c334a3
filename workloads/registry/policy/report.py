"""The report of a judgement: figures, not samples, so that it is small enough to keep with the decision."""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from aegis.strict import load_json, to_json
from contracts import Exit
from workloads import cli, messages
from workloads.cli import WorkloadError
from workloads.signing.inputs import read_regular

SCHEMA: Final = "aegis.policy-report/v1"
# In bytes: a record holds the report, and is at most this large. Limited because model code may have written the file.
_LARGEST: Final = 1 << 20
_HEADINGS: Final = ("rule", "held", "measured", "required")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A rule and whether it held.

    `measured` and `required` are for people; `detail` says why it didn't hold, or under which exception it held;
    `figures` are the numbers for programs.
    """

    name: str
    held: bool
    measured: str
    required: str
    detail: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """The judgement of a candidate; `champion` is None if there was none to compare with.

    `evaluation` is the name, number of samples and SHA-256 of the evaluation set, None if no rule needed it.
    """

    policy: str
    policy_digest: str
    model: str
    candidate: str
    champion: str | None
    rules: tuple[Rule, ...]
    evaluation: Mapping[str, Any] | None = None

    @property
    def passed(self) -> bool:
        """Whether every rule held."""
        return all(rule.held for rule in self.rules)

    def to_json(self) -> dict[str, Any]:
        """Return the report as an object of strict JSON."""
        return {
            "schema": SCHEMA,
            "policy": {"name": self.policy, "sha256": self.policy_digest},
            "model": self.model,
            "candidate": self.candidate,
            "champion": self.champion,
            "evaluation": None if self.evaluation is None else dict(self.evaluation),
            "passed": self.passed,
            "rules": [asdict(rule) for rule in self.rules],
        }

    def to_text(self) -> str:
        """Return the report as a table for a terminal."""
        rows = [
            _HEADINGS,
            *((each.name, "yes" if each.held else "NO", each.measured, each.required) for each in self.rules),
        ]
        rows = [tuple(messages.one_line(cell) for cell in row) for row in rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        against = f"champion version {self.champion}" if self.champion else "no champion"
        policy = f"policy {self.policy} ({self.policy_digest[:12]})"
        details = [messages.one_line(f"{rule.name}: {rule.detail}") for rule in self.rules if rule.detail]
        verdict = "passed" if self.passed else "not passed"
        return "\n".join(
            [f"{self.model} version {self.candidate} against {against}, {policy}", *lines, *details, verdict]
        )


_REPORT: Final = TypeAdapter(Report)


def read(path: Path) -> Report:
    """Return the report in a file, which model code may have written.

    Raises:
        WorkloadError: It can't be read, or isn't a report in the form of `Report.to_json` (`Exit.USAGE`).
    """
    try:
        content = read_regular(path, _LARGEST)
    except OSError as error:
        raise cli.file_error(path, "read", error) from error
    # Without the reason: it may quote the file, which could be a link to a secret.
    with contextlib.suppress(ValueError, KeyError, TypeError):
        fields = load_json(content)
        policy = fields["policy"]
        plain = {name: fields[name] for name in ("model", "candidate", "champion", "evaluation", "rules")}
        flat = plain | {"policy": policy["name"], "policy_digest": policy["sha256"]}
        report = _REPORT.validate_json(to_json(flat), strict=True)
        if report.to_json() == fields:
            return report
    raise WorkloadError(f"{path} is not the report of a policy, as --judge writes it.", Exit.USAGE)
