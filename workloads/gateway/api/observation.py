"""The gateway's own measurements. Labels are templates of routes, never ids, so that their number stays small."""

import os
from collections.abc import Callable
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from starlette.types import Scope

# Seconds.
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
# Set by prometheus_client's users with several processes; workloads/gateway/__main__.py does.
MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
MEDIA_TYPE: Final = CONTENT_TYPE_LATEST


class Observation:
    """Counts the requests of one app."""

    def __init__(self, *, in_flight: Callable[[], int], circuit_open: Callable[[], bool]) -> None:
        self._registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self._requests = Counter("aegis_gateway_requests", "Requests by their answer", labels, registry=self._registry)
        self._seconds = Histogram(
            "aegis_gateway_request_seconds",
            "Seconds from a request to the end of its answer",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._in_flight = Gauge(
            "aegis_gateway_in_flight",
            "Requests that are handled now",
            multiprocess_mode="livesum",
            registry=self._registry,
        )
        self._circuit = Gauge(
            "aegis_gateway_circuit_open",
            "1 while MLflow does not answer and is left alone",
            multiprocess_mode="livemax",
            registry=self._registry,
        )
        self._read_in_flight = in_flight
        self._read_circuit = circuit_open

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request; a status of 0 means that the client left before the answer."""
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        self._requests.labels(scope["method"], route, str(status or 499)).inc()
        self._seconds.labels(scope["method"], route).observe(seconds)

    def text(self) -> bytes:
        """Return all measurements in Prometheus's format, those of all worker processes."""
        self._in_flight.set(self._read_in_flight())
        self._circuit.set(self._read_circuit())
        if MULTIPROCESS not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)
