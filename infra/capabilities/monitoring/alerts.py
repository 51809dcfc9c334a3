"""The alerts that belong to no single capability, and those on the monitoring itself."""

from collections.abc import Sequence
from typing import Final

from infra.limits.alerts import Alert

_DAY: Final = 86_400
_LEAST_DAYS: Final = 21
_MOST_RESTARTS: Final = 2
_FULL: Final = 0.85


def restarting(namespaces: Sequence[str]) -> Alert:
    """Return the alert that a container of the platform restarts again and again."""
    counter = f'kube_pod_container_status_restarts_total{{namespace=~"{"|".join(namespaces)}"}}'
    return Alert(
        name="PodRestarting",
        expression=f"increase({counter}[30m]) > {_MOST_RESTARTS}",
        minutes=1,
        severity="ticket",
        summary="{{ $labels.container }} in {{ $labels.namespace }}/{{ $labels.pod }} restarted "
        "{{ $value | humanize }} times in 30 minutes.",
        action="Read why it ended with `kubectl -n {{ $labels.namespace }} describe pod {{ $labels.pod }}`.",
        runbook="pod-restarting",
    )


def certificate() -> Alert:
    """Return the alert that a certificate expires soon."""
    return Alert(
        name="CertificateExpires",
        expression=f"min by (host) (aegis_certificate_expiry_timestamp_seconds) - time() < {_LEAST_DAYS * _DAY}",
        minutes=15,
        severity="ticket",
        summary=f"The certificate of {{{{ $labels.host }}}} expires in {{{{ $value | humanizeDuration }}}}; "
        f"less than {_LEAST_DAYS} days are too few.",
        action="Find out why it wasn't renewed.",
        runbook="certificate",
    )


def unsigned(aliases: Sequence[str]) -> Alert:
    """Return the alert that one of the guarded `aliases` names a version that isn't signed."""
    named = f'signed="false",alias=~"(?i){"|".join(aliases)}"'
    return Alert(
        name="UnsignedVersion",
        expression=f"sum by (alias) (aegis_alias_versions{{{named}}}) > 0",
        minutes=5,
        severity="ticket",
        summary="{{ $value }} versions with the guarded alias {{ $labels.alias }} are not signed by a trusted key.",
        action="Find out who set the alias, and move it to a version that verifies.",
        runbook="unsigned-version",
    )


def unread(jobs: Sequence[str]) -> Alert:
    """Return the alert that Prometheus can't read what it watches."""
    return Alert(
        name="FiguresMissing",
        expression=f'max by (job) (up{{job=~"{"|".join(jobs)}"}}) == 0',
        minutes=10,
        severity="ticket",
        summary="No pod of {{ $labels.job }} tells Prometheus its figures: alerts on them can't fire.",
        action="Find out whether the pods run, and whether their NetworkPolicy lets Prometheus in.",
        runbook="monitoring",
    )


def volume_full(namespaces: Sequence[str]) -> Alert:
    """Return the alert that a volume of the platform is almost full, by the figures of the kubelet."""
    of = f'{{namespace=~"{"|".join(namespaces)}"}}'
    return Alert(
        name="VolumeFull",
        expression=f"kubelet_volume_stats_used_bytes{of} / kubelet_volume_stats_capacity_bytes{of} > {_FULL}",
        minutes=5,
        severity="page",
        summary="The volume {{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }} is full to "
        "{{ $value | humanizePercentage }}.",
        action="Delete what isn't needed any more, or move to a larger volume.",
        runbook="volume-full",
    )


def stale() -> Alert:
    """Return the alert that the exporter can't find out what only it knows."""
    return Alert(
        name="ExporterFailing",
        expression="time() - max by (part) (aegis_exporter_last_success_timestamp_seconds) > 7200",
        minutes=5,
        severity="ticket",
        summary="The exporter hasn't been able to read the {{ $labels.part }} for {{ $value | humanizeDuration }}.",
        action="Read the reason in `kubectl -n mlflow logs deployment/exporter`.",
        runbook="monitoring",
    )


def undelivered() -> Alert:
    """Return the alert that alerts don't reach a receiver."""
    failed = "rate(alertmanager_notifications_failed_total[15m])"
    return Alert(
        name="AlertsUndelivered",
        expression=f"sum by (integration) ({failed}) > 0",
        minutes=5,
        severity="ticket",
        summary="Alertmanager can't deliver alerts by {{ $labels.integration }}.",
        action="Read the reason in `kubectl -n monitoring logs statefulset/alertmanager`.",
        runbook="monitoring",
    )
