"""The alerts on the scheduled backup."""

from datetime import timedelta

from infra.limits import cron_alerts
from infra.limits.alerts import Alert
from infra.limits.flows import Pods


def overdue(pods: Pods, greatest_age: timedelta) -> Alert:
    """Return the alert that the last successful backup is older than `greatest_age`."""
    return Alert(
        name="BackupOverdue",
        expression=cron_alerts.overdue(pods, greatest_age),
        minutes=5,
        severity="page",
        summary="The last backup of MLflow's database was {{ $value | humanizeDuration }} ago; the schedule allows at "
        f"most {_hours(greatest_age)}.",
        action=f"Read the log of the last Job of `kubectl -n {pods.namespace} get jobs`, fix the cause, and start a "
        "backup by hand: docs/backup.md.",
        runbook="backup",
    )


def failed(pods: Pods) -> Alert:
    """Return the alert that a scheduled Job failed after all retries, without a successful backup since."""
    return Alert(
        name="BackupFailed",
        expression=cron_alerts.failed(pods),
        minutes=1,
        severity="ticket",
        summary="The backup Job {{ $labels.job_name }} failed.",
        action=f"Read its log with `kubectl -n {pods.namespace} logs job/{{{{ $labels.job_name }}}}`, fix the "
        "cause, and start a backup by hand: docs/backup.md.",
        runbook="backup",
    )


def unverified(greatest_age: timedelta) -> Alert:
    """Return the alert that the newest backup that was read back and checked is older than `greatest_age`."""
    return Alert(
        name="BackupUnverified",
        expression=f"time() - max(aegis_backup_newest_verified_timestamp_seconds) > {greatest_age.total_seconds():.0f}",
        minutes=5,
        severity="ticket",
        summary="The newest verified backup is {{ $value | humanizeDuration }} old; the schedule allows at most "
        f"{_hours(greatest_age)}.",
        action="Verify the newest one by hand, and make another if it is damaged: docs/backup.md.",
        runbook="backup",
    )


def _hours(duration: timedelta) -> str:
    return f"{duration.total_seconds() / 3600:g} hours"
