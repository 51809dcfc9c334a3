"""Read MLflow's database for a backup: the snapshot of a dump, row counts and the schema revision."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.abc import Query

from workloads.backup import tools
from workloads.database.address import Address

_TABLES = """
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
      AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A snapshot of the database: `pg_dump --snapshot=ID` sees exactly these `rows` and this `schema_revision`."""

    id: str
    rows: dict[str, int]
    schema_revision: str | None
    server_version: str


@contextmanager
def snapshot(address: Address) -> Iterator[Snapshot]:
    """Export a snapshot, which lasts as long as the context.

    Raises:
        WorkloadError: The database is dead, or newer than pg_dump; exits with `Exit.DATABASE`.
    """
    with address.connect() as connection:
        # Checked first, because counting the rows of a large database takes minutes.
        tools.require_version("pg_dump", version(connection), "the server")
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        # The transaction is idle for as long as pg_dump runs.
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        with connection.transaction():
            yield Snapshot(
                id=str(_text(connection, "SELECT pg_export_snapshot()")),
                rows=row_counts(connection),
                schema_revision=schema_revision(connection),
                server_version=version(connection),
            )


def version(connection: psycopg.Connection) -> str:
    """Return the version of the connected PostgreSQL server, such as "15.20"."""
    # Debian reports "15.20 (Debian 15.20-0+deb12u1)".
    return (connection.info.parameter_status("server_version") or "unknown").partition(" ")[0]


def row_counts(connection: psycopg.Connection) -> dict[str, int]:
    """Return the number of rows of each table, by its quoted and qualified name."""
    counts = {}
    for name, schema, table in connection.execute(_TABLES).fetchall():
        query = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table))
        counts[name] = int(_text(connection, query) or 0)
    return counts


def schema_revision(connection: psycopg.Connection) -> str | None:
    """Return the Alembic revision of MLflow's schema, or None if there is no such schema."""
    if _text(connection, "SELECT to_regclass('alembic_version')") is None:
        return None
    return ",".join(row[0] for row in connection.execute("SELECT version_num FROM alembic_version ORDER BY 1"))


def _text(connection: psycopg.Connection, query: Query) -> str | None:
    row = connection.execute(query).fetchone()
    return None if row is None or row[0] is None else str(row[0])
