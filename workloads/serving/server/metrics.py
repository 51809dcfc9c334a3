"""The server's metrics, each with the labels `model` and `version`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

# In seconds: from a small network to a long text.
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LABELS: Final = ("model", "version")


class Metrics:
    """Counts requests by route and status, and their time."""

    def __init__(self, model: str, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        prefix, registry = "aegis_model_server", self.registry
        self._labels = (model, version)
        self._requests = Counter(
            f"{prefix}_requests", "Answered requests.", (*_LABELS, "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            f"{prefix}_request_seconds",
            "Time from a request to its answer.",
            (*_LABELS, "route"),
            registry=registry,
            buckets=_BUCKETS,
        )
        self._in_flight = Gauge(
            f"{prefix}_in_flight", "Requests that aren't answered yet.", _LABELS, registry=registry
        ).labels(*self._labels)
        self._failures = Counter(
            f"{prefix}_failures", "Predictions in which the model's own code failed.", _LABELS, registry=registry
        ).labels(*self._labels)

    def answered(self, route: str, status: int) -> None:
        """Count an answer; `route` is the template of its path."""
        self._requests.labels(*self._labels, route, str(status)).inc()

    def failed(self) -> None:
        """Count a failure of the model."""
        self._failures.inc()

    @contextmanager
    def timed(self, route: str) -> Iterator[None]:
        """Measure a request."""
        started = time.perf_counter()
        with self._in_flight.track_inprogress():
            try:
                yield
            finally:
                self._seconds.labels(*self._labels, route).observe(time.perf_counter() - started)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
