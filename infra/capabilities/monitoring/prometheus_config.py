"""Prometheus's configuration: https://prometheus.io/docs/prometheus/2.42/configuration/configuration/."""

from collections.abc import Sequence
from typing import Any, Final

import contracts
from infra.limits.flows import ALERTMANAGER
from infra.limits.scraping import DEFAULT_PATH, Target

RULES_FOLDER: Final = "/etc/prometheus/rules"
# Seconds. Alerts that wait for a minute see two values.
INTERVAL: Final = 30


def service_name(target: Target) -> str:
    """Return the name of the headless Service whose addresses are the target's pods."""
    return f"{target.job}-metrics"


def configuration(targets: Sequence[Target], domain: str) -> dict[str, Any]:
    """Return the configuration of a Prometheus that reads `targets` and sends its alerts to Alertmanager.

    Debian's Prometheus can't ask Kubernetes for pods, so it asks the cluster's DNS server, under the DNS domain
    `domain`: it needs no right in the cluster.
    """
    return {
        "global": {"scrape_interval": f"{INTERVAL}s", "evaluation_interval": f"{INTERVAL}s"},
        "rule_files": [f"{RULES_FOLDER}/*.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [ALERTMANAGER.url.removeprefix("http://")]}]}]},
        "scrape_configs": [_itself(), *(_scrape(target, domain) for target in targets)],
    }


def kept(pattern: str) -> list[dict[str, Any]]:
    """Return the rules that keep the figures whose names match a pattern."""
    return [{"source_labels": ["__name__"], "regex": pattern, "action": "keep"}]


def _itself() -> dict[str, Any]:
    return {
        "job_name": "prometheus",
        "static_configs": [{"targets": [f"localhost:{contracts.PROMETHEUS_PORT}"]}],
        "metric_relabel_configs": kept(
            "prometheus_(tsdb_head_series|tsdb_storage_blocks_bytes|rule_evaluation_failures_total"
            "|notifications_errors_total)|process_(cpu_seconds_total|resident_memory_bytes)"
        ),
    }


def _scrape(target: Target, domain: str) -> dict[str, Any]:
    namespace = target.pods.namespace
    # The last dot keeps the search list out of it.
    name = f"{service_name(target)}.{namespace}.svc.{domain}."
    job: dict[str, Any] = {
        "job_name": target.job,
        "dns_sd_configs": [{"names": [name], "type": "A", "port": target.server.port}],
        "relabel_configs": [{"target_label": "namespace", "replacement": namespace}],
    }
    if target.path != DEFAULT_PATH:
        job["metrics_path"] = target.path
    if target.parameters:
        job["params"] = {name: [value] for name, value in target.parameters.items()}
    if target.own_labels:
        job["honor_labels"] = True
    if target.keep is not None:
        job["metric_relabel_configs"] = kept(target.keep)
    return job
