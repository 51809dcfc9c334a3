"""The figures of a canary beside those of the stable version, and the judgement by them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from prometheus_client.parser import text_string_to_metric_families

from workloads.serving.wanted import Canary

# Fewer requests say nothing about the tail of the latency, or about a share of errors before the time is over.
LEAST_REQUESTS: Final = 20
_QUANTILE: Final = 0.95
# Metrics of the model server (workloads/serving/server), and the routes of predictions among its routes.
_REQUESTS: Final = "aegis_model_server_requests_total"
_BUCKET: Final = "aegis_model_server_request_seconds_bucket"
_PREDICTIONS: Final = ("/invocations", "/infer")
_FIRST_ERROR: Final = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Counts of requests since the servers started: all, the failed ones, and by upper bound of latency in seconds.

    A bound's count includes those of the smaller bounds, as in Prometheus.
    """

    requests: float = 0
    errors: float = 0
    buckets: Mapping[float, float] = field(default_factory=dict)

    @property
    def error_rate(self) -> float:
        """The share of failed requests, 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0

    def since(self, earlier: Self) -> "Figures":
        """Return the figures since `earlier`; a server that restarted in between counts from its start."""
        if self.requests < earlier.requests or self.errors < earlier.errors:
            return self
        return Figures(
            requests=self.requests - earlier.requests,
            errors=self.errors - earlier.errors,
            buckets={
                bound: max(0.0, count - earlier.buckets.get(bound, 0)) for bound, count in sorted(self.buckets.items())
            },
        )

    def latency(self) -> float | None:
        """Return the 95th percentile of latency in seconds, or None without requests.

        Linear within a bucket, as `histogram_quantile` of Prometheus; beyond the largest bound, that bound.
        """
        total = max(self.buckets.values(), default=0)
        if not total:
            return None
        rank, below, lower = _QUANTILE * total, 0.0, 0.0
        for bound, count in sorted(self.buckets.items()):
            if count >= rank:
                if bound == float("inf"):
                    return lower
                return lower + (bound - lower) * (rank - below) / (count - below)
            below, lower = count, bound
        return lower

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that `from_json` reads."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "buckets": [[str(bound), count] for bound, count in sorted(self.buckets.items())],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the figures in a JSON object of `to_json`."""
        return cls(
            requests=float(value["requests"]),
            errors=float(value["errors"]),
            buckets={float(bound): float(count) for bound, count in value["buckets"]},
        )


def total(of_pods: Iterable[Figures]) -> Figures:
    """Return the sum of the figures of several servers."""
    requests, errors, buckets = 0.0, 0.0, dict[float, float]()
    for each in of_pods:
        requests, errors = requests + each.requests, errors + each.errors
        for bound, count in each.buckets.items():
            buckets[bound] = buckets.get(bound, 0) + count
    return Figures(requests=requests, errors=errors, buckets=buckets)


def parse(text: str) -> Figures:
    """Return the figures of the predictions in the metrics of a server, in Prometheus' text format.

    Raises:
        ValueError: It isn't in that format.
    """
    requests, errors, buckets = 0.0, 0.0, dict[float, float]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.labels.get("route", "").endswith(_PREDICTIONS):
                continue
            if sample.name == _REQUESTS:
                requests += sample.value
                errors += sample.value if int(sample.labels["status"]) >= _FIRST_ERROR else 0
            elif sample.name == _BUCKET:
                bound = float(sample.labels["le"])
                buckets[bound] = buckets.get(bound, 0) + sample.value
    return Figures(requests=requests, errors=errors, buckets=buckets)


def problem(canary: Figures, stable: Figures, limits: Canary, *, over: bool) -> str | None:
    """Return why the canary must be taken back, or None.

    A client's mistake fails at both versions alike, so only the difference counts. Until the time is `over`, the canary
    is judged only from 20 requests on.
    """
    if canary.requests < (1 if over else LEAST_REQUESTS):
        return None
    if canary.error_rate - stable.error_rate > limits.max_error_rate:
        return (
            f"{canary.errors:.0f} of {canary.requests:.0f} requests failed, {canary.error_rate:.1%}; of the stable "
            f"version's {stable.error_rate:.1%}, and at most {limits.max_error_rate:.1%} more are allowed"
        )
    slow, usual = canary.latency(), stable.latency()
    if min(canary.requests, stable.requests) < LEAST_REQUESTS or not slow or not usual:
        return None
    if slow / usual > limits.max_latency_ratio:
        return (
            f"95% of its requests took up to {slow * 1000:.0f} ms, {slow / usual:.1f} times the stable version's "
            f"{usual * 1000:.0f} ms; at most {limits.max_latency_ratio:g} times are allowed"
        )
    return None
