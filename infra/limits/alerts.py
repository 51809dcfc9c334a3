"""Alerts: conditions on Prometheus metrics that a person has to act on.

Each capability's section of the settings declares the alerts of its own pods and Jobs. The metrics are the platform's
own and those of kube-state-metrics 2: https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics/workload.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

# `page` wakes someone up, `ticket` waits until the morning.
Severity = Literal["page", "ticket"]

_SEVERITIES: Final = get_args(Severity)
_NAME: Final = re.compile(r"([A-Z][a-z0-9]+)+")
# The name of a page in the folder of runbooks, and the form of a series' name that Prometheus recommends.
_PAGE: Final = re.compile(r"[a-z]+(-[a-z]+)*")
_SERIES: Final = re.compile(r"[a-z_]+(:[a-z0-9_]+)+")
RUNBOOKS: Final = "docs/runbooks"
# A longer trend belongs in the expression: Prometheus starts to count again when the alert's labels change.
_MOST_MINUTES: Final = 24 * 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """An alert: `expression`, in PromQL, has had a result for `minutes`.

    `summary` is what happened, and `action` what to do about it: a sentence, or a link to a section of the guides. Both
    may use Prometheus's templates, such as {{ $value }}. `runbook` is the page of `docs/runbooks` that says more.

    Raises:
        ValueError: A field is empty or out of range.
    """

    name: str
    expression: str
    minutes: int
    severity: Severity
    summary: str
    action: str
    runbook: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f'name must be in CamelCase, such as BackupFailed, got "{self.name}".')
        if not 1 <= self.minutes <= _MOST_MINUTES:
            raise ValueError(f"minutes must be 1 to {_MOST_MINUTES}, got {self.minutes}.")
        if self.severity not in _SEVERITIES:
            raise ValueError(f'severity must be {" or ".join(_SEVERITIES)}, got "{self.severity}".')
        for field in ("expression", "summary", "action"):
            if not getattr(self, field).strip():
                raise ValueError(f"{field} of {self.name} must not be empty.")
        if not _PAGE.fullmatch(self.runbook):
            raise ValueError(f'runbook of {self.name} must be a page such as backup, got "{self.runbook}".')

    def rule(self, runbooks: str = RUNBOOKS) -> dict[str, Any]:
        """Return the alerting rule, with a link to its page in the folder or site `runbooks`.

        https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
        """
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": f"{self.minutes}m",
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.action,
                "runbook_url": f"{runbooks.rstrip('/')}/{self.runbook}.md",
            },
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A series that Prometheus computes at each evaluation, for alerts that look back for days.

    Raises:
        ValueError: A field is empty or the name isn't one of a recorded series.
    """

    name: str
    expression: str

    def __post_init__(self) -> None:
        if not _SERIES.fullmatch(self.name):
            raise ValueError(f'name must have the form level:metric:operations, got "{self.name}".')
        if not self.expression.strip():
            raise ValueError(f"expression of {self.name} must not be empty.")

    def rule(self) -> dict[str, str]:
        """Return the recording rule: https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/."""
        return {"record": self.name, "expr": self.expression}
