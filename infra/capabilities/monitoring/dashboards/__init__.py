"""The platform's dashboards for Grafana 10 and later, each as the JSON that Grafana imports.

They are data: `panel` says what a panel is, each dashboard is a file that lists its panels, and `grafana` writes them
in Grafana's schema. Every query is plain PromQL without Grafana's macros, so that Prometheus alone can answer it.
"""

from infra.capabilities.monitoring.dashboards import database, experiments, registry, server
from infra.capabilities.monitoring.dashboards.grafana import to_json

ALL = (server.DASHBOARD, database.DASHBOARD, experiments.DASHBOARD, registry.DASHBOARD)


def by_name() -> dict[str, str]:
    """Return the JSON of each dashboard, by its name."""
    return {dashboard.uid: to_json(dashboard) for dashboard in ALL}
