"""What one or several pods saw: the answer of `GET /watch`, which can be added up exactly."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from workloads.serving.watching.baseline import Baseline
from workloads.serving.watching.drift import Finding, Limits, judge
from workloads.serving.watching.feature import Count, Finite, Section
from workloads.serving.watching.recent import LATENCY_BOUNDS

Privacy = Literal["off", "figures", "samples"]
State = Literal["off", "no baseline", "waiting", "steady", "drifted"]
_PRIVACY: Final[tuple[Privacy, ...]] = ("off", "figures", "samples")
_MOST_PODS: Final = 1000
_MOST_SAMPLES: Final = 50


class Summary(Section):
    """The counts of the last `seconds`.

    `instances` are the watchers that were added up. `rows` is the number of samples that were counted, `dropped` that
    of the requests whose inputs weren't, for lack of time. `counts` are those of each feature's bins, in the order of
    the baseline. `latencies` has the requests by time, see `LATENCY_BOUNDS`.
    """

    # `drift` and `state` are for readers: they follow from the counts.
    model_config = ConfigDict(extra="ignore")

    format: Literal["aegis.watch/1"] = "aegis.watch/1"
    instances: Annotated[tuple[str, ...], Field(max_length=_MOST_PODS)]
    privacy: Privacy
    seconds: Annotated[Finite, Field(gt=0)]
    requests: Count = 0
    failures: Count = 0
    rows: Count = 0
    dropped: Count = 0
    latencies: tuple[Count, ...] = (0,) * (len(LATENCY_BOUNDS) + 1)
    baseline: Baseline | None = None
    counts: tuple[tuple[Count, ...], ...] = ()
    samples: Annotated[tuple[Annotated[str, Field(max_length=5000)], ...], Field(max_length=_MOST_PODS)] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        features = self.baseline.features if self.baseline else ()
        if [len(counts) for counts in self.counts] != [len(feature.counts) for feature in features]:
            raise ValueError("the counts must be those of the baseline's bins")
        if len(self.latencies) != len(LATENCY_BOUNDS) + 1:
            raise ValueError(f"there must be {len(LATENCY_BOUNDS) + 1} counts of latencies")
        return self

    @property
    def error_rate(self) -> float:
        """The share of the requests that failed."""
        return self.failures / self.requests if self.requests else 0.0

    def latency(self, quantile: float) -> float | None:
        """Return the upper bound of a quantile of the requests' seconds: infinity above the last bound."""
        if not self.requests:
            return None
        bucket = int(np.searchsorted(np.cumsum(self.latencies), quantile * sum(self.latencies)))
        return [*LATENCY_BOUNDS, float("inf")][bucket]

    def findings(self, limits: Limits) -> list[Finding]:
        """Return what the counts say about each feature."""
        if self.baseline is None:
            return []
        return judge(self.baseline.features, self._arrays, limits)

    def state(self, findings: Sequence[Finding]) -> State:
        """Return the verdict in a word."""
        if self.privacy == "off":
            return "off"
        if self.baseline is None:
            return "no baseline"
        if any(finding.drifted for finding in findings):
            return "drifted"
        return "steady" if any(finding.psi is not None for finding in findings) else "waiting"

    @cached_property
    def _arrays(self) -> list[np.ndarray[Any, Any]]:
        return [np.array(counts, dtype=np.int64) for counts in self.counts]


def merged(summaries: Sequence[Summary]) -> Summary:
    """Return the sum of the summaries; a pod that was asked twice counts once, with its last answer.

    Raises:
        ValueError: There is none, or their models have different baselines.
    """
    by_instance = {summary.instances: summary for summary in summaries}
    distinct = list(by_instance.values())
    if not distinct:
        raise ValueError("there is no summary")
    if len({summary.baseline and summary.baseline.digest for summary in distinct}) > 1:
        raise ValueError("their models have different baselines: report on each version by itself")
    return Summary(
        instances=tuple(instance for summary in distinct for instance in summary.instances),
        privacy=_PRIVACY[max(_PRIVACY.index(summary.privacy) for summary in distinct)],
        seconds=max(summary.seconds for summary in distinct),
        requests=sum(summary.requests for summary in distinct),
        failures=sum(summary.failures for summary in distinct),
        rows=sum(summary.rows for summary in distinct),
        dropped=sum(summary.dropped for summary in distinct),
        latencies=_sum([summary.latencies for summary in distinct]),
        baseline=distinct[0].baseline,
        counts=tuple(_sum(parts) for parts in zip(*(summary.counts for summary in distinct), strict=True)),
        samples=tuple(sample for summary in distinct for sample in summary.samples)[:_MOST_SAMPLES],
    )


def _sum(parts: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(sum(part) for part in zip(*parts, strict=True))
