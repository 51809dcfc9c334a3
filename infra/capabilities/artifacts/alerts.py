"""The alert on the S3 server in the cluster."""

from typing import Final

from infra.limits.alerts import Alert

_FULL: Final = 0.85


def volume_full(storage_bytes: int) -> Alert:
    """Return the alert that the objects take almost all of the volume, which has `storage_bytes`."""
    return Alert(
        name="ObjectVolumeFull",
        expression=f"sum(aegis_bucket_bytes) / {storage_bytes} > {_FULL}",
        minutes=5,
        severity="page",
        summary="The objects in the buckets take {{ $value | humanizePercentage }} of their volume.",
        action="Delete old artifacts and backups, or move to a larger volume.",
        runbook="volume-full",
    )
