"""The alert on the release of an update."""

from infra.limits import job_alerts
from infra.limits.alerts import Alert
from infra.limits.flows import Pods


def failed(pods: Pods) -> Alert:
    """Return the alert that the release of an update failed."""
    return Alert(
        name="ReleaseFailed",
        expression=job_alerts.failed(pods),
        minutes=1,
        severity="ticket",
        summary="The release Job {{ $labels.job_name }} failed: no new version was signed and registered.",
        action=f"Read its log with `kubectl -n {pods.namespace} logs job/{{{{ $labels.job_name }}}}`.",
        runbook="job-failed",
    )
