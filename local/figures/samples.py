"""The metrics of all pods at one time, and what changed between two times."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Series:
    """What identifies a value: the pod that told it, the name of its metric, and its labels."""

    pod: str
    name: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """The values at one time, in seconds of a clock that only goes forward."""

    at: float
    values: Mapping[Series, float]

    def find(self, name: str, **labels: str) -> Iterator[tuple[Series, float]]:
        """Yield the values of a metric with at least these labels."""
        wanted = labels.items()
        yield from (
            (key, value) for key, value in self.values.items() if key.name == name and wanted <= set(key.labels)
        )

    def total(self, name: str, **labels: str) -> float | None:
        """Return the sum over all pods and labels; None if no pod has the metric."""
        found = [value for _, value in self.find(name, **labels)]
        return sum(found) if found else None

    def without(self, label: str, values: Collection[str]) -> "Samples":
        """Return the values but those in whose series the label has one of these values."""
        return Samples(
            at=self.at,
            values={key: value for key, value in self.values.items() if dict(key.labels).get(label) not in values},
        )


def parse(pod: str, text: str) -> Iterator[tuple[Series, float]]:
    """Yield the values in a pod's metrics.

    Raises:
        ValueError: The text isn't in Prometheus's format.
    """
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield Series(pod, sample.name, tuple(sorted(sample.labels.items()))), sample.value


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """Two samples, and what happened in between."""

    before: Samples
    after: Samples

    def without(self, label: str, values: Collection[str]) -> "Period":
        """Return the same without the series in which the label has one of these values."""
        return Period(before=self.before.without(label, values), after=self.after.without(label, values))

    def rate(self, name: str, **labels: str) -> float | None:
        """Return the increase of a counter per second, over all pods; None if no pod that answered twice has it."""
        seconds = self.after.at - self.before.at
        increases = [increase for _, increase in self._increases(name, **labels)]
        return sum(increases) / seconds if increases and seconds > 0 else None

    def quantile(self, share: float, name: str) -> float | None:
        """Return a quantile of a histogram; None if nothing happened.

        Interpolated as by https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
        """
        buckets: dict[float, float] = {}
        for key, increase in self._increases(f"{name}_bucket"):
            bound = float(dict(key.labels)["le"])
            buckets[bound] = buckets.get(bound, 0) + increase
        return _interpolated(share, [(0.0, 0.0), *sorted(buckets.items())])

    def _increases(self, name: str, **labels: str) -> Iterator[tuple[Series, float]]:
        known = {key.pod for key in self.before.values}
        for key, value in self.after.find(name, **labels):
            # A series that is new in a pod that isn't began at 0, such as that of the first error.
            if key.pod in known:
                earlier = self.before.values.get(key, 0)
                # A restarted process counts from 0.
                yield key, value - earlier if value >= earlier else value


def _interpolated(share: float, buckets: Sequence[tuple[float, float]]) -> float | None:
    wanted = share * buckets[-1][1]
    if not wanted:
        return None
    for (low, below), (high, count) in pairwise(buckets):
        if count >= wanted:
            # Nothing is known of what is above the last bound.
            return low if high == float("inf") else low + (high - low) * (wanted - below) / (count - below)
    return None
