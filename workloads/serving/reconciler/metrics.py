"""What the reconciler tells Prometheus."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from workloads.serving.rollout.memory import Action, Memory
from workloads.serving.rollout.plan import Status

_RESULTS: Final[dict[Action, str]] = {
    "start": "started",
    "promote": "promoted",
    "rollback": "rolled_back",
    "abandon": "abandoned",
    "refuse": "refused",
    "remove": "removed",
}


class Metrics:
    """The gauges are only of the models that are served now."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._drift = Gauge(
            "aegis_serving_drift",
            "Whether another version is served than the wanted one.",
            ["model"],
            registry=self.registry,
        )
        self._unverified = Gauge(
            "aegis_serving_unverified",
            "Whether the served version would not verify any more.",
            ["model"],
            registry=self.registry,
        )
        self._ready = Gauge(
            "aegis_serving_ready_servers", "Servers that answer, of a served model.", ["model"], registry=self.registry
        )
        self._pending = Gauge(
            "aegis_serving_unwritten_records", "Steps that wait for their records.", ["model"], registry=self.registry
        )
        self._rollouts = Counter(
            "aegis_serving_rollouts",
            "Steps of rollouts by their result.",
            ["model", "result"],
            registry=self.registry,
        )
        self._leads = Gauge("aegis_serving_leads", "Whether this process leads.", registry=self.registry)
        self._failures = Counter(
            "aegis_serving_failures", "Turns that failed and are tried again.", ["model"], registry=self.registry
        )

    def took(self, before: Memory, after: Memory) -> None:
        """Count the steps that were decided in one turn."""
        for draft in after.pending:
            if draft not in before.pending:
                # A way back that succeeds is no new version that failed.
                back = draft.action == "rollback" and draft.to_version == after.served
                self._rollouts.labels(after.model, _RESULTS["promote" if back else draft.action]).inc()

    def failed(self, model: str) -> None:
        """Count a turn that failed."""
        self._failures.labels(model).inc()

    def leads(self, *, leads: bool) -> None:
        """Say whether this process leads."""
        self._leads.set(leads)

    def told(self, statuses: Iterable[tuple[Status, Memory]]) -> None:
        """Replace the gauges by what is known now."""
        for gauge in (self._drift, self._unverified, self._ready, self._pending):
            gauge.clear()
        for status, memory in statuses:
            self._drift.labels(status.model).set(status.served_version != status.wanted_version)
            self._unverified.labels(status.model).set(bool(status.served_version) and not status.verified)
            if status.served_version:
                self._ready.labels(status.model).set(status.ready)
            self._pending.labels(status.model).set(len(memory.pending))
            for result in _RESULTS.values():
                # Prometheus sees no increase in a count whose first value isn't 0.
                self._rollouts.labels(status.model, result)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
