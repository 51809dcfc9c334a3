"""The dashboard of MLflow's database: whether it is up and has room, what it does, and its backups."""

from typing import Final

import contracts
from infra.capabilities.monitoring.dashboards.panel import Dashboard, Unit, lines, number

_DATABASE: Final = f'{{datname="{contracts.DATABASE_NAME}"}}'
_USED: Final = "sum(pg_stat_database_numbackends)"
_MOST: Final = "max(pg_settings_max_connections)"
# The numbers of the alerts: docs/operations.md.
_MANY_CONNECTIONS: Final = 0.8
_OLD_BACKUP_SECONDS: Final = 26 * 3600


def _rate(metric: str) -> str:
    return f"sum(rate({metric}{_DATABASE}[5m]))"


def _age(kind: str) -> str:
    return f"time() - max(aegis_backup_newest_{kind}timestamp_seconds)"


DASHBOARD: Final = Dashboard(
    uid="aegis-database",
    title="Aegis: database",
    description="MLflow's database: whether it is up and has room, what it does, and its backups.",
    panels=(
        number("Up", Unit.NUMBER, "min(pg_up)", description="1 if the database answers its exporter.", bad_below=1),
        number("Connections", Unit.SHARE, f"{_USED} / {_MOST}", bad_from=_MANY_CONNECTIONS),
        number("Size", Unit.BYTES, f"sum(pg_database_size_bytes{_DATABASE})"),
        number(
            "Verified backup",
            Unit.SECONDS,
            _age("verified_"),
            description="The age of the newest backup that was read back.",
            bad_from=_OLD_BACKUP_SECONDS,
        ),
        lines(
            "Connections by state",
            Unit.NUMBER,
            {"{{state}}": f"sum by (state) (pg_stat_activity_count{_DATABASE}) > 0", "most": _MOST},
        ),
        lines(
            "Transactions",
            Unit.PER_SECOND,
            {
                "committed": _rate("pg_stat_database_xact_commit"),
                "rolled back": _rate("pg_stat_database_xact_rollback"),
            },
        ),
        lines(
            "Rows",
            Unit.PER_SECOND,
            {
                "read": _rate("pg_stat_database_tup_fetched"),
                "inserted": _rate("pg_stat_database_tup_inserted"),
                "updated": _rate("pg_stat_database_tup_updated"),
                "deleted": _rate("pg_stat_database_tup_deleted"),
            },
        ),
        lines(
            "Read from memory",
            Unit.SHARE,
            {
                "from memory": f"{_rate('pg_stat_database_blks_hit')} / "
                f"({_rate('pg_stat_database_blks_hit')} + {_rate('pg_stat_database_blks_read')})"
            },
            description="The share of blocks that were in the shared buffers; a larger database.memory raises it.",
        ),
        lines(
            "Longest transaction",
            Unit.SECONDS,
            {"longest": f"max(pg_stat_activity_max_tx_duration{_DATABASE})"},
            description="A transaction that stays open for minutes keeps old rows, and blocks migrations.",
        ),
        lines(
            "Locks and deadlocks",
            Unit.NUMBER,
            {
                "locks": f"sum(pg_locks_count{_DATABASE})",
                "deadlocks in the last hour": f"sum(increase(pg_stat_database_deadlocks{_DATABASE}[1h]))",
            },
        ),
        lines(
            "Age of backups",
            Unit.SECONDS,
            {"newest": _age(""), "newest verified": _age("verified_")},
        ),
        lines(
            "Statements of the server",
            Unit.PER_SECOND,
            {"{{operation}}": "sum by (operation) (rate(aegis_database_seconds_count[5m]))"},
            description="The statements of MLflow's server.",
        ),
    ),
)
