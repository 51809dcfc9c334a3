"""The alerts on the scheduled promotion."""

from datetime import timedelta

from infra.limits import cron_alerts
from infra.limits.alerts import Alert
from infra.limits.flows import Pods


def overdue(pods: Pods, greatest_age: timedelta) -> Alert:
    """Return the alert that the last successful run is older than `greatest_age`."""
    return Alert(
        name="PromotionOverdue",
        expression=cron_alerts.overdue(pods, greatest_age),
        minutes=5,
        severity="ticket",
        summary="The scheduled promotion last succeeded {{ $value | humanizeDuration }} ago; the schedule allows at "
        f"most {greatest_age.total_seconds() / 3600:g} hours.",
        action=f"Read the log of the last Job of `kubectl -n {pods.namespace} get jobs`, fix the cause, and start a "
        f"run by hand: kubectl -n {pods.namespace} create job by-hand --from=cronjob/{pods.component}",
        runbook="promotion",
    )


def failed(pods: Pods) -> Alert:
    """Return the alert that a scheduled Job failed after all retries, without a success since."""
    return Alert(
        name="PromotionFailed",
        expression=cron_alerts.failed(pods),
        minutes=1,
        severity="ticket",
        summary="The promotion Job {{ $labels.job_name }} failed.",
        action=f"Read its log with `kubectl -n {pods.namespace} logs --all-containers job/{{{{ $labels.job_name }}}}` "
        "and fix the cause. The champion is unchanged, or was moved with a signed decision.",
        runbook="promotion",
    )
