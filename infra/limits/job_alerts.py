"""The condition of alerts on the Jobs of an update, whose names Pulumi generates from those of their components."""

from infra.limits.flows import Pods


def failed(pods: Pods) -> str:
    """Return the condition that a Job of an update failed after all retries; the next one replaces it."""
    # Pulumi ends a name with seven or more hexadecimal digits. A CronJob's Jobs end with decimal ones, the time.
    jobs = f'namespace="{pods.namespace}",job_name=~"{pods.component}(-[a-z]+)?-[0-9a-f]{{7,8}}"'
    return f'kube_job_failed{{{jobs},condition="true"}} == 1'
