"""The alerts on the tracking server, and the series that its objective is computed with."""

from collections.abc import Iterator
from typing import Final

from infra.limits import deployment_alerts, job_alerts
from infra.limits.alerts import Alert, Recording
from infra.limits.deployment_alerts import too_few_available
from infra.limits.flows import MLFLOW_PODS, Pods
from infra.limits.slo import BURNS, PROBES, Objective

# Seconds, and the share of the answers that are errors of the server.
_SLOW: Final = 2
_MOST_ERRORS: Final = 0.1
_REQUESTS: Final = f'job="mlflow",route!~"{PROBES}"'
# Requests that move whole files take as long as their files are large.
_PROMPT: Final = f'job="mlflow",route!~"{PROBES}|.*artifact.*"'
_TOTAL: Final = "aegis:requests:rate5m"
_BAD: Final = "aegis:bad_requests:rate5m"
# A few requests at night are no reason to wake someone up.
_LEAST_REQUESTS: Final = 100
_RUNBOOK: Final = "tracking-server-degraded"


def too_few_pods(least: int) -> Alert:
    """Return the alert that fewer than `least` pods are available."""
    return Alert(
        name="MlflowPodsUnavailable",
        expression=too_few_available(MLFLOW_PODS, least),
        minutes=5,
        severity="page",
        summary=f"MLflow has {{{{ $value }}}} available pods; it needs at least {least}.",
        action=f"Find out what its pods wait for with `kubectl -n {MLFLOW_PODS.namespace} describe pods`; "
        "they are ready only while they reach the database.",
        runbook="tracking-server-down",
    )


def at_maximum(most: int) -> Alert:
    """Return the alert that the autoscaler has reached its maximum of `most` pods."""
    return Alert(
        name="MlflowAtMaximum",
        expression=deployment_alerts.at_maximum(MLFLOW_PODS, most),
        minutes=15,
        severity="ticket",
        summary="MLflow runs {{ $value }} pods, the maximum that mlflow.maxReplicas allows.",
        action="Find the client that causes the load, or raise mlflow.maxReplicas as far as the database's connections "
        "allow: docs/operations.md#many-clients.",
        runbook="at-maximum",
    )


def migration_failed(migration: Pods) -> Alert:
    """Return the alert that the migration of the schema failed."""
    return Alert(
        name="MigrationFailed",
        expression=job_alerts.failed(migration),
        minutes=1,
        severity="page",
        summary="The migration Job {{ $labels.job_name }} failed: the schema may be older than the server.",
        action=f"Read its log with `kubectl -n {migration.namespace} logs job/{{{{ $labels.job_name }}}}`.",
        runbook="job-failed",
    )


def down() -> Alert:
    """Return the alert that no pod answers Prometheus."""
    return Alert(
        name="MlflowDown",
        expression='absent(up{job="mlflow"} == 1)',
        minutes=2,
        severity="page",
        summary="None of MLflow's pods has answered for 2 minutes.",
        action=f"Find out what they wait for with `kubectl -n {MLFLOW_PODS.namespace} describe pods`.",
        runbook="tracking-server-down",
    )


def slow() -> Alert:
    """Return the alert that a twentieth of the requests take too long."""
    buckets = f"sum by (le) (rate(aegis_http_request_duration_seconds_bucket{{{_PROMPT}}}[5m]))"
    return Alert(
        name="MlflowSlow",
        expression=f"histogram_quantile(0.95, {buckets}) > {_SLOW}",
        minutes=10,
        severity="ticket",
        summary=f"A twentieth of MLflow's answers take more than {{{{ $value | humanizeDuration }}}}; {_SLOW} s are "
        "too many.",
        action="Find out whether the database, the pods' CPU or one route is slow.",
        runbook=_RUNBOOK,
    )


def failing() -> Alert:
    """Return the alert that too many answers are errors of the server."""
    failed = f'sum(rate(aegis_http_requests_total{{{_REQUESTS},status=~"5.."}}[5m]))'
    return Alert(
        name="MlflowErrors",
        expression=f"{failed} / sum(rate(aegis_http_requests_total{{{_REQUESTS}}}[5m])) > {_MOST_ERRORS}",
        minutes=5,
        severity="page",
        summary=f"{{{{ $value | humanizePercentage }}}} of MLflow's answers are errors; more than {_MOST_ERRORS:.0%} "
        "are too many.",
        action=f"Read the errors with `kubectl -n {MLFLOW_PODS.namespace} logs deployment/{MLFLOW_PODS.component}`.",
        runbook=_RUNBOOK,
    )


def recordings(objective: Objective) -> Iterator[Recording]:
    """Yield the rates of all requests and of those that miss the objective.

    A slow answer that is an error counts twice: the histogram doesn't know the status.
    """
    duration = "aegis_http_request_duration_seconds"
    # The Python client writes a whole number of seconds as 2.0.
    in_time = f'{duration}_bucket{{{_PROMPT},le=~"{objective.seconds:g}([.]0)?"}}'
    errors = f'sum(rate(aegis_http_requests_total{{{_REQUESTS},status=~"5.."}}[5m])) or vector(0)'
    slow = f"sum(rate({duration}_count{{{_PROMPT}}}[5m])) - sum(rate({in_time}[5m]))"
    yield Recording(name=_TOTAL, expression=f"sum(rate(aegis_http_requests_total{{{_REQUESTS}}}[5m]))")
    yield Recording(name=_BAD, expression=f"(({slow}) or vector(0)) + ({errors})")


def burning(objective: Objective) -> Iterator[Alert]:
    """Yield the alerts that the errors and slow answers use up the objective's budget too fast."""
    for burn in BURNS:
        most = f"{burn.rate * objective.budget:g}"
        long, short = f"{burn.hours}h", f"{burn.minutes}m"
        enough = f"avg_over_time({_TOTAL}[{long}]) * {burn.hours * 3600} > {_LEAST_REQUESTS}"
        yield Alert(
            name=burn.name,
            expression=f"{_share(long)} > {most} and {_share(short)} > {most} and {enough}",
            minutes=2,
            severity=burn.severity,
            summary=f"In {burn.hours} h, {{{{ $value | humanizePercentage }}}} of MLflow's answers were errors or took "
            f"more than {objective.seconds:g} s. {100 - objective.percent:g} % are allowed: the month's budget is used "
            f"up more than {burn.rate:g} times too fast.",
            action="See which routes fail or are slow, and since when.",
            runbook=_RUNBOOK,
        )


def _share(window: str) -> str:
    return f"avg_over_time({_BAD}[{window}]) / avg_over_time({_TOTAL}[{window}])"
