"""What one worker process measures of its requests."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from workloads.tracking.exchange import Exchange

# Seconds.
_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30)


class RequestMetrics:
    """Counts requests, their time and their bytes by the template of their route."""

    def __init__(self) -> None:
        # With several processes, prometheus_client reads its files and no registry.
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "aegis_http_requests", "Requests by their answer", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "aegis_http_request_duration_seconds",
            "Seconds from the head of a request to the end of its answer",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._received = Counter(
            "aegis_http_request_bytes", "Bytes of the bodies of requests", ["route"], registry=registry
        )
        self._sent = Counter(
            "aegis_http_response_bytes", "Bytes of the bodies of answers", ["route"], registry=registry
        )
        self._in_progress = Gauge(
            "aegis_http_requests_in_progress",
            "Requests that are handled now",
            multiprocess_mode="livesum",
            registry=registry,
        )

    def begin(self) -> None:
        """Note that a request has begun."""
        self._in_progress.inc()

    def end(self, exchange: Exchange) -> None:
        """Count a request that has ended."""
        self._in_progress.dec()
        method, route = exchange.method, exchange.route
        self._requests.labels(method, route, str(exchange.status)).inc()
        self._seconds.labels(method, route).observe(exchange.seconds)
        self._received.labels(route).inc(exchange.received)
        self._sent.labels(route).inc(exchange.sent)
