"""The conditions of alerts on a CronJob that has the name of its pods' component."""

from datetime import timedelta

from infra.limits.flows import Pods


def overdue(pods: Pods, greatest_age: timedelta) -> str:
    """Return the condition that the last success is older than `greatest_age`; its value is the age in seconds."""
    return f"time() - ({_last_success(pods)}) > {greatest_age.total_seconds():.0f}"


def failed(pods: Pods) -> str:
    """Return the condition that a scheduled Job failed after all retries, without a success since."""
    jobs = f'namespace="{pods.namespace}",job_name=~"{pods.component}-[0-9]+"'
    # Failed Jobs are kept for their logs, so ignore those that started before the last success.
    return (
        f"(kube_job_status_start_time{{{jobs}}}"
        f' and ignoring (condition) kube_job_failed{{{jobs},condition="true"}} == 1)'
        f" > ignoring (job_name, cronjob) group_left () ({_last_success(pods)})"
    )


def _last_success(pods: Pods) -> str:
    """Return the expression of the last success in Unix time; before the first one, the CronJob's creation."""
    cron_job = f'{{namespace="{pods.namespace}",cronjob="{pods.component}"}}'
    return f"kube_cronjob_status_last_successful_time{cron_job} or kube_cronjob_created{cron_job}"
