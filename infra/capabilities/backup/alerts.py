"""The alerts on the scheduled backup."""

from datetime import timedelta

from infra.limits.alerts import Alert
from infra.limits.flows import Pods


def overdue(pods: Pods, greatest_age: timedelta) -> Alert:
    """Return the alert that the last successful backup is older than `greatest_age`."""
    return Alert(
        name="BackupOverdue",
        expression=f"time() - ({_last_success(pods)}) > {greatest_age.total_seconds():.0f}",
        minutes=5,
        severity="page",
        summary="The last backup of MLflow's database was {{ $value | humanizeDuration }} ago; the schedule allows at "
        f"most {_hours(greatest_age)}.",
        action=f"Read the log of the last Job of `kubectl -n {pods.namespace} get jobs`, fix the cause, and start a "
        "backup by hand: docs/backup.md.",
    )


def failed(pods: Pods) -> Alert:
    """Return the alert that a scheduled Job failed after all retries, without a successful backup since."""
    jobs = f'namespace="{pods.namespace}",job_name=~"{pods.component}-[0-9]+"'
    return Alert(
        name="BackupFailed",
        # Failed Jobs are kept for their logs, so ignore those that started before the last success.
        expression=f"(kube_job_status_start_time{{{jobs}}}"
        f' and ignoring (condition) kube_job_failed{{{jobs},condition="true"}} == 1)'
        f" > ignoring (job_name, cronjob) group_left () ({_last_success(pods)})",
        minutes=1,
        severity="ticket",
        summary="The backup Job {{ $labels.job_name }} failed.",
        action=f"Read its log with `kubectl -n {pods.namespace} logs job/{{{{ $labels.job_name }}}}`, fix the "
        "cause, and start a backup by hand: docs/backup.md.",
    )


def _last_success(pods: Pods) -> str:
    """Return the expression of the last success in Unix time; before the first one, the CronJob's creation."""
    cron_job = f'{{namespace="{pods.namespace}",cronjob="{pods.component}"}}'
    return f"kube_cronjob_status_last_successful_time{cron_job} or kube_cronjob_created{cron_job}"


def _hours(duration: timedelta) -> str:
    return f"{duration.total_seconds() / 3600:g} hours"
