"""The dashboard of MLflow's server: what it answers, how fast, and with what."""

from typing import Final

import contracts
from infra.capabilities.monitoring.dashboards.panel import Dashboard, Unit, lines, number
from infra.limits.slo import PROBES

_CLIENTS: Final = f'route!~"{PROBES}"'
_REQUESTS: Final = f"aegis_http_requests_total{{{_CLIENTS}}}"
_FAILED: Final = f'aegis_http_requests_total{{{_CLIENTS},status=~"5.."}}'
_DURATIONS: Final = f"aegis_http_request_duration_seconds_bucket{{{_CLIENTS}}}"
_PODS: Final = f'namespace="{contracts.MLFLOW_NAMESPACE}"'
_MLFLOW: Final = f'{_PODS},deployment="mlflow"'
_AUTOSCALER: Final = f'{_PODS},horizontalpodautoscaler="mlflow"'
# The numbers of the alerts: docs/operations.md.
_SLOW_SECONDS: Final = 2
_MANY_ERRORS: Final = 0.1


def _rate(metric: str, by: str = "") -> str:
    return f"sum{f' by ({by}) ' if by else ''}(rate({metric}[5m]))"


def _quantile(share: float, by: str = "") -> str:
    return f"histogram_quantile({share}, {_rate(_DURATIONS, f'le, {by}' if by else 'le')})"


DASHBOARD: Final = Dashboard(
    uid="aegis-server",
    title="Aegis: server",
    description="What MLflow's server answers, how fast, and with what. Probes don't count.",
    panels=(
        number("Requests", Unit.REQUESTS_PER_SECOND, _rate(_REQUESTS)),
        number(
            "Errors",
            Unit.SHARE,
            f"({_rate(_FAILED)} or vector(0)) / {_rate(_REQUESTS)}",
            description="The share of answers with a status of 500 or more.",
            bad_from=_MANY_ERRORS,
        ),
        number(
            "95th percentile",
            Unit.SECONDS,
            _quantile(0.95),
            description="95 % of the requests took less.",
            bad_from=_SLOW_SECONDS,
        ),
        number(
            "Pods",
            Unit.NUMBER,
            f"kube_deployment_status_replicas_available{{{_MLFLOW}}}",
            description="The pods that are in service.",
            bad_below=1,
        ),
        lines("Requests by status", Unit.REQUESTS_PER_SECOND, {"{{status}}": _rate(_REQUESTS, "status")}),
        lines(
            "Durations",
            Unit.SECONDS,
            {"half": _quantile(0.5), "95 %": _quantile(0.95), "99 %": _quantile(0.99)},
            description="The time in which half, 95 % and 99 % of the requests were answered.",
        ),
        lines("Busiest routes", Unit.REQUESTS_PER_SECOND, {"{{route}}": f"topk(10, {_rate(_REQUESTS, 'route')})"}),
        lines(
            "Slowest routes",
            Unit.SECONDS,
            {"{{route}}": f"topk(10, {_quantile(0.95, 'route')})"},
            description="The 95th percentile of each route.",
        ),
        lines(
            "Transfers",
            Unit.BYTES_PER_SECOND,
            {"in": _rate("aegis_http_request_bytes_total"), "out": _rate("aegis_http_response_bytes_total")},
            description="The bodies of requests and answers, artifacts included.",
        ),
        lines("Requests in progress", Unit.NUMBER, {"in progress": "sum(aegis_http_requests_in_progress)"}),
        lines(
            "Database connections of the pods",
            Unit.NUMBER,
            {"{{state}}": "sum by (state) (aegis_database_pool_connections)"},
        ),
        lines(
            "Time of a statement",
            Unit.SECONDS,
            {
                "{{operation}}": f"{_rate('aegis_database_seconds_sum', 'operation')} / "
                f"{_rate('aegis_database_seconds_count', 'operation')}"
            },
            description="The mean time in which the database answers the server.",
        ),
        lines(
            "Autoscaler",
            Unit.NUMBER,
            {
                "pods": f"kube_horizontalpodautoscaler_status_current_replicas{{{_AUTOSCALER}}}",
                "most": f"kube_horizontalpodautoscaler_spec_max_replicas{{{_AUTOSCALER}}}",
            },
        ),
        lines(
            "Restarts in the last hour",
            Unit.NUMBER,
            {"{{pod}}": f"sum by (pod) (increase(kube_pod_container_status_restarts_total{{{_PODS}}}[1h]))"},
        ),
    ),
)
