"""The alerts on the tracking server."""

from infra.limits.alerts import Alert
from infra.limits.flows import MLFLOW_PODS


def too_few_pods(least: int) -> Alert:
    """Return the alert that fewer than `least` pods are available."""
    return Alert(
        name="MlflowPodsUnavailable",
        expression=f"kube_deployment_status_replicas_available{_of('deployment')} < {least}",
        minutes=5,
        severity="page",
        summary=f"MLflow has {{{{ $value }}}} available pods; it needs at least {least}.",
        action=f"Find out what its pods wait for with `kubectl -n {MLFLOW_PODS.namespace} describe pods`; "
        "they are ready only while they reach the database.",
    )


def at_maximum(most: int) -> Alert:
    """Return the alert that the autoscaler has reached its maximum of `most` pods."""
    return Alert(
        name="MlflowAtMaximum",
        expression=f"kube_horizontalpodautoscaler_status_current_replicas{_of('horizontalpodautoscaler')} >= {most}",
        minutes=15,
        severity="ticket",
        summary="MLflow runs {{ $value }} pods, the maximum that mlflow.maxReplicas allows.",
        action="Find the client that causes the load, or raise mlflow.maxReplicas as far as the database's connections "
        "allow: docs/operations.md#many-clients.",
    )


def _of(kind: str) -> str:
    return f'{{namespace="{MLFLOW_PODS.namespace}",{kind}="{MLFLOW_PODS.component}"}}'
