"""Alerts of the scheduled backup."""

from datetime import timedelta

from infra.limits.alerts import Alert
from infra.limits.flows import Pods


def overdue(pods: Pods, greatest_age: timedelta) -> Alert:
    """Return the alert of a last successful backup that is older than `greatest_age`."""
    return Alert(
        name="BackupOverdue",
        expression=f"time() - ({_last_success(pods)}) > {greatest_age.total_seconds():.0f}",
        minutes=5,
        severity="page",
        summary="MLflow's database had its last backup {{ $value | humanizeDuration }} ago; the schedule allows "
        f"{_hours(greatest_age)}.",
        action=f"Read the log of the last Job of `kubectl -n {pods.namespace} get jobs`, remove the cause, and make a "
        "backup by hand: docs/backup.md.",
    )


def failed(pods: Pods) -> Alert:
    """Return the alert of a Job of the schedule that failed for good, with no successful backup since."""
    jobs = f'namespace="{pods.namespace}",job_name=~"{pods.component}-[0-9]+"'
    return Alert(
        name="BackupFailed",
        # Failed Jobs are kept for their logs, so one that started before the last success is no news.
        expression=f"(kube_job_status_start_time{{{jobs}}}"
        f' and ignoring (condition) kube_job_failed{{{jobs},condition="true"}} == 1)'
        f" > ignoring (job_name, cronjob) group_left () ({_last_success(pods)})",
        minutes=1,
        severity="ticket",
        summary="The backup Job {{ $labels.job_name }} failed.",
        action=f"Read its log with `kubectl -n {pods.namespace} logs job/{{{{ $labels.job_name }}}}`, remove the "
        "cause, and make a backup by hand: docs/backup.md.",
    )


def _last_success(pods: Pods) -> str:
    """Return the expression of the last success in Unix time: until the first one, the creation of the CronJob."""
    cron_job = f'{{namespace="{pods.namespace}",cronjob="{pods.component}"}}'
    return f"kube_cronjob_status_last_successful_time{cron_job} or kube_cronjob_created{cron_job}"


def _hours(duration: timedelta) -> str:
    return f"{duration.total_seconds() / 3600:g} hours"
