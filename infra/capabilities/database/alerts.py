"""The alerts on MLflow's database, from the figures of PostgreSQL's exporter and of ours."""

from typing import Final

from infra.limits.alerts import Alert

# Shares of the connections that the server accepts, and of the size of its volume.
_MOST_CONNECTIONS: Final = 0.8
_FULL: Final = 0.85
# Seconds: our exporter asks each minute.
_SILENT: Final = 300


def unreachable(*, by_exporter: bool) -> Alert:
    """Return the alert that the database doesn't answer; `by_exporter` tells whether PostgreSQL's exporter asks it."""
    age = 'time() - aegis_exporter_last_success_timestamp_seconds{part="database"}'
    return Alert(
        name="DatabaseUnreachable",
        expression="min(pg_up) == 0" if by_exporter else f"{age} > {_SILENT}",
        minutes=2,
        severity="page",
        summary="MLflow's database doesn't answer.",
        action="Find out whether the server runs, and whether it refuses connections or can't be reached.",
        runbook="database-unreachable",
    )


def connections(most: int) -> Alert:
    """Return the alert that the server has almost as many connections as it accepts, which are `most`."""
    return Alert(
        name="DatabaseConnections",
        expression=f"sum(pg_stat_activity_count) > {int(most * _MOST_CONNECTIONS)}",
        minutes=5,
        severity="page",
        summary=f"The database has {{{{ $value }}}} connections of the {most} that it accepts.",
        action="Find out who holds them.",
        runbook="database-connections",
    )


def volume_full(storage_bytes: int) -> Alert:
    """Return the alert that the database has almost the size of its volume, which is `storage_bytes`."""
    return Alert(
        name="DatabaseVolumeFull",
        expression=f"sum(pg_database_size_bytes) / {storage_bytes} > {_FULL}",
        minutes=5,
        severity="page",
        summary="The databases take {{ $value | humanizePercentage }} of their volume.",
        action="Delete old experiments, or move to a larger volume by a backup and a restore.",
        runbook="volume-full",
    )
