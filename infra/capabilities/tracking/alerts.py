"""The alerts on the tracking server."""

from infra.limits.alerts import Alert
from infra.limits.deployment_alerts import too_few_available
from infra.limits.flows import MLFLOW_PODS


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
    )


def at_maximum(most: int) -> Alert:
    """Return the alert that the autoscaler has reached its maximum of `most` pods."""
    of = f'{{namespace="{MLFLOW_PODS.namespace}",horizontalpodautoscaler="{MLFLOW_PODS.component}"}}'
    return Alert(
        name="MlflowAtMaximum",
        expression=f"kube_horizontalpodautoscaler_status_current_replicas{of} >= {most}",
        minutes=15,
        severity="ticket",
        summary="MLflow runs {{ $value }} pods, the maximum that mlflow.maxReplicas allows.",
        action="Find the client that causes the load, or raise mlflow.maxReplicas as far as the database's connections "
        "allow: docs/operations.md#many-clients.",
    )
