"""The conditions of alerts on a Deployment that has the name of its pods' component, and on its autoscaler."""

from infra.limits.flows import Pods


def too_few_available(pods: Pods, least: int) -> str:
    """Return the condition that fewer than `least` pods are available; its value is their number."""
    of = f'{{namespace="{pods.namespace}",deployment="{pods.component}"}}'
    return f"kube_deployment_status_replicas_available{of} < {least}"


def at_maximum(pods: Pods, most: int) -> str:
    """Return the condition that the autoscaler has reached its maximum of `most` pods; its value is their number."""
    of = f'{{namespace="{pods.namespace}",horizontalpodautoscaler="{pods.component}"}}'
    return f"kube_horizontalpodautoscaler_status_current_replicas{of} >= {most}"
