"""The dashboard of the use of experiments: who trains how much, and what it takes up."""

from typing import Final

from infra.capabilities.monitoring.dashboards.panel import Dashboard, Unit, lines, number

# The figures of the exporter are as new as its last look; three missed ones are too many.
_STALE_SECONDS: Final = 900
_NEW_RUNS: Final = "clamp_min(sum(delta(aegis_runs[1h])), 0)"

DASHBOARD: Final = Dashboard(
    uid="aegis-experiments",
    title="Aegis: use of experiments",
    description="How much is trained in which experiment, and how much room it takes up.",
    panels=(
        number("Experiments", Unit.NUMBER, "max(aegis_experiments)"),
        number("Runs", Unit.NUMBER, "sum(max by (status) (aegis_runs))"),
        number("Artifacts", Unit.BYTES, "max(aegis_artifact_bytes)"),
        number(
            "Age of these figures",
            Unit.SECONDS,
            "time() - min(aegis_exporter_last_success_timestamp_seconds)",
            description="The oldest part of the exporter's figures.",
            bad_from=_STALE_SECONDS,
        ),
        lines("Runs by status", Unit.NUMBER, {"{{status}}": "max by (status) (aegis_runs)"}),
        lines("New runs in the last hour", Unit.NUMBER, {"new": _NEW_RUNS}),
        lines(
            "Runs by experiment",
            Unit.NUMBER,
            {"{{experiment}}": "topk(20, max by (experiment) (aegis_experiment_runs))"},
            description="The largest experiments by name; `other` are all others together.",
        ),
        lines(
            "Size of artifacts",
            Unit.BYTES,
            {"artifacts": "max(aegis_artifact_bytes)"},
            description="All objects of the artifacts bucket under MLflow's prefix.",
        ),
        lines(
            "Uploads and downloads by route",
            Unit.BYTES_PER_SECOND,
            {
                "in {{route}}": "topk(5, sum by (route) (rate(aegis_http_request_bytes_total[5m])))",
                "out {{route}}": "topk(5, sum by (route) (rate(aegis_http_response_bytes_total[5m])))",
            },
        ),
        lines(
            "Requests that write",
            Unit.REQUESTS_PER_SECOND,
            {"{{route}}": 'topk(10, sum by (route) (rate(aegis_http_requests_total{method!~"GET|HEAD"}[5m])))'},
        ),
    ),
)
