"""Whether a served model is degraded, and by what."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from workloads.serving.watching.drift import Finding, Limits
from workloads.serving.watching.summary import State, Summary

# Features that a reason names.
_NAMED: Final = 3
_QUANTILE: Final = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """The limits of a model that isn't degraded; `seconds` is for the 95th percentile of the requests' times."""

    drift: Limits
    error_rate: float
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The judgement of a summary."""

    summary: Summary
    allowed: Allowed

    @cached_property
    def findings(self) -> list[Finding]:
        """The findings, the largest drift first."""
        return sorted(
            self.summary.findings(self.allowed.drift),
            key=lambda one: (not one.drifted, -1.0 if one.psi is None else -one.psi, one.feature),
        )

    @property
    def state(self) -> State:
        """The state of the inputs."""
        return self.summary.state(self.findings)

    @property
    def reasons(self) -> list[str]:
        """The reasons why the model is degraded; none if it isn't."""
        return list(self._reasons())

    def _reasons(self) -> Iterator[str]:
        drifted = [one for one in self.findings if one.drifted]
        if drifted:
            named = ", ".join(f"{one.feature} (PSI {one.psi:.2f})" for one in drifted[:_NAMED])
            more = f" and {len(drifted) - _NAMED} more" if len(drifted) > _NAMED else ""
            yield f"{len(drifted)} of {len(self.findings)} features have drifted: {named}{more}"
        summary, allowed = self.summary, self.allowed
        if summary.error_rate > allowed.error_rate:
            yield (
                f"{summary.failures} of {summary.requests} requests failed, "
                f"{summary.error_rate:.1%}; allowed are {allowed.error_rate:.1%}"
            )
        seconds = summary.latency(_QUANTILE)
        if allowed.seconds is not None and seconds is not None and seconds > allowed.seconds:
            took = f"95% of the requests took up to {seconds:g} s"
            yield f"{took}, more than the {allowed.seconds:g} s that are allowed"
