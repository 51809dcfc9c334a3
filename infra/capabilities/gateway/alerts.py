"""The alerts on the gateway, from the metrics of its pods and of kube-state-metrics."""

from typing import Final

from infra.limits import deployment_alerts
from infra.limits.alerts import Alert
from infra.limits.deployment_alerts import too_few_available
from infra.limits.flows import GATEWAY_PODS

# The share of the answers that are the gateway's or MLflow's fault.
_MOST_ERRORS: Final = 0.05
# Seconds after which a model server gives a request up (workloads/serving/rollout/pods.py).
_LONGEST_PREDICTION: Final = 60
_PREDICTIONS: Final = 'route="/api/mlflow/serving/models/{name}/predict"'


def too_few_pods(least: int) -> Alert:
    """Return the alert that fewer than `least` pods are available."""
    return Alert(
        name="GatewayPodsUnavailable",
        expression=too_few_available(GATEWAY_PODS, least),
        minutes=5,
        severity="page",
        summary=f"The gateway has {{{{ $value }}}} available pods; it needs at least {least}.",
        action=f"Find out what its pods wait for with `kubectl -n {GATEWAY_PODS.namespace} describe pods -l "
        f"{GATEWAY_PODS.label}={GATEWAY_PODS.component}`.",
        runbook="gateway",
    )


def failing() -> Alert:
    """Return the alert that too many answers are errors of a server."""
    requests = "aegis_gateway_requests_total"
    return Alert(
        name="GatewayErrors",
        expression=f'sum(rate({requests}{{status=~"5.."}}[5m])) / sum(rate({requests}[5m])) > {_MOST_ERRORS}',
        minutes=5,
        severity="page",
        summary="{{ $value | humanizePercentage }} of the gateway's answers are errors; "
        f"more than {_MOST_ERRORS:.0%} are too many.",
        action="Find out which server fails: docs/operations.md#the-gateway-fails-or-is-slow.",
        runbook="gateway",
    )


def slow(prediction_timeout: int) -> Alert:
    """Return the alert that a twentieth of the predictions take more than half of their longest time."""
    most = min(prediction_timeout, _LONGEST_PREDICTION) / 2
    buckets = f"sum by (le) (rate(aegis_gateway_request_seconds_bucket{{{_PREDICTIONS}}}[5m]))"
    return Alert(
        name="GatewaySlow",
        expression=f"histogram_quantile(0.95, {buckets}) > {most:g}",
        minutes=10,
        severity="ticket",
        summary=f"A twentieth of the predictions take more than {{{{ $value | humanizeDuration }}}}; "
        f"they end at {min(prediction_timeout, _LONGEST_PREDICTION)} s.",
        action="Find out which model is slow: docs/operations.md#the-gateway-fails-or-is-slow.",
        runbook="gateway",
    )


def at_maximum(most: int) -> Alert:
    """Return the alert that the autoscaler has reached its maximum of `most` pods."""
    return Alert(
        name="GatewayAtMaximum",
        expression=deployment_alerts.at_maximum(GATEWAY_PODS, most),
        minutes=15,
        severity="ticket",
        summary="The gateway runs {{ $value }} pods, the maximum that gateway.maxReplicas allows.",
        action="Find the client that causes the load, or raise gateway.maxReplicas.",
        runbook="at-maximum",
    )
