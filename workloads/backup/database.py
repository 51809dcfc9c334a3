"""PostgreSQL as a backup sees it: an address in libpq's variables, the snapshot of a dump, what a database holds."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import psycopg
from psycopg import sql
from psycopg.abc import Query

from contracts import POSTGRES_PORT, Exit
from workloads import retry
from workloads.cli import WorkloadError, require_env

CONNECT_TIMEOUT_SECONDS = 10
# A migration that holds a table for longer than this is itself the problem.
LOCK_TIMEOUT_SECONDS = 300

_TABLES = """
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
      AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1
"""


class _UnreachableError(Exception):
    """The server gave no answer, or one that will change by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a database is; the password stays in libpq's own variables."""

    host: str
    port: int
    user: str
    name: str

    @classmethod
    def from_env(cls) -> Self:
        """Read libpq's variables PGHOST, PGPORT, PGUSER and PGDATABASE."""
        port = os.environ.get("PGPORT") or str(POSTGRES_PORT)
        if not port.isdecimal():
            raise WorkloadError(f"PGPORT is {port!r}, not a port number.", Exit.USAGE)
        return cls(
            host=require_env("PGHOST", "the database server's address"),
            port=int(port),
            user=require_env("PGUSER", "the database role"),
            name=require_env("PGDATABASE", "the name of MLflow's database"),
        )

    def __str__(self) -> str:
        return f"PostgreSQL at {self.host}:{self.port}, database {self.name}"

    def of(self, name: str) -> "Address":
        """Return the address of another database of the same server."""
        return Address(host=self.host, port=self.port, user=self.user, name=name)

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """Connect in autocommit mode, with a limited number of attempts.

        Raises:
            WorkloadError: The server doesn't answer or refuses, here or at a later statement; exits with
                `Exit.DATABASE`.
        """
        connection = retry.call(self._connect, service=str(self), code=Exit.DATABASE, transient=(_UnreachableError,))
        with self._errors(), connection:
            yield connection

    def _connect(self) -> psycopg.Connection:
        try:
            return psycopg.connect(
                host=self.host, port=self.port, user=self.user, dbname=self.name, autocommit=True,
                connect_timeout=CONNECT_TIMEOUT_SECONDS, application_name="aegis-backup",
                options=f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s -c statement_timeout=0",
            )  # fmt: skip
        except psycopg.OperationalError as error:
            reason = _first_line(error)
            # "FATAL" is the server's own answer, such as a wrong password: asking again won't change it.
            if "FATAL" in reason and "starting up" not in reason and "shutting down" not in reason:
                raise WorkloadError(f"{self} refused the connection: {reason}", Exit.DATABASE) from error
            raise _UnreachableError(reason) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise WorkloadError(f"{self}: {_first_line(error)}", Exit.DATABASE) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A moment of the database: `pg_dump --snapshot=ID` sees exactly what `rows` and `schema_revision` tell."""

    id: str
    rows: dict[str, int]
    schema_revision: str | None
    server_version: str


@contextmanager
def snapshot(address: Address) -> Iterator[Snapshot]:
    """Export a snapshot that lives as long as the context.

    Raises:
        WorkloadError: The database is dead; exits with `Exit.DATABASE`.
    """
    with address.connect() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        # The transaction is idle while pg_dump works, for as long as that takes.
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        with connection.transaction():
            yield Snapshot(
                id=str(_text(connection, "SELECT pg_export_snapshot()")),
                rows=row_counts(connection),
                schema_revision=schema_revision(connection),
                # Debian's says "15.20 (Debian 15.20-0+deb12u1)".
                server_version=str(_text(connection, "SHOW server_version")).partition(" ")[0],
            )


def row_counts(connection: psycopg.Connection) -> dict[str, int]:
    """Return the number of rows of each table, by its quoted and qualified name."""
    counts = {}
    for name, schema, table in connection.execute(_TABLES).fetchall():
        query = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table))
        counts[name] = int(_text(connection, query) or 0)
    return counts


def schema_revision(connection: psycopg.Connection) -> str | None:
    """Return the Alembic revision of MLflow's schema, or None where there's no such schema."""
    if _text(connection, "SELECT to_regclass('alembic_version')") is None:
        return None
    return ",".join(row[0] for row in connection.execute("SELECT version_num FROM alembic_version ORDER BY 1"))


def _text(connection: psycopg.Connection, query: Query) -> str | None:
    row = connection.execute(query).fetchone()
    return None if row is None or row[0] is None else str(row[0])


def _first_line(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].removeprefix("connection failed: ") if lines else type(error).__name__
