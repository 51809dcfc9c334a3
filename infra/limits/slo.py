"""The service level objective of the tracking server, and how fast its error budget may be used up.

A burn rate of 1 uses the budget up in exactly the month that it is for. The pairs of windows are those of the SRE
Workbook: the long one shows that it matters, and the short one that it goes on:
https://sre.google/workbook/alerting-on-slos/#6-multiwindow-multi-burn-rate-alerts
"""

from dataclasses import dataclass
from typing import Final

import contracts
from infra.limits.alerts import Severity

# The regular expression of the routes that are no requests of clients.
PROBES: Final = "|".join(contracts.PROBE_ROUTES)
# The bounds of the histogram of requests' durations, in seconds (workloads/tracking/metrics).
BOUNDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """`percent` of the requests are answered within `seconds` and without an error of the server."""

    percent: float
    seconds: float

    @property
    def budget(self) -> float:
        """The share of the requests that may be too slow or fail."""
        return round(1 - self.percent / 100, 6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Burn:
    """A burn rate that is too high if it is exceeded in the last `hours` and in the last `minutes`.

    `name` is that of its alert.
    """

    name: str
    rate: float
    hours: int
    minutes: int
    severity: Severity


# 2 % of the month's budget in an hour, 5 % in six hours, 10 % in three days.
BURNS: Final = (
    Burn(name="MlflowBudgetBurnsFast", rate=14.4, hours=1, minutes=5, severity="page"),
    Burn(name="MlflowBudgetBurns", rate=6, hours=6, minutes=30, severity="page"),
    Burn(name="MlflowBudgetBurnsSlowly", rate=1, hours=72, minutes=360, severity="ticket"),
)
