"""The databases of one server, seen from its maintenance database: looked at, created, swapped and dropped.

A restore fills a database of its own beside the target and renames the two in one transaction, so that one which fails
loses nothing, and MLflow never sees a half-filled schema.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from contracts import Exit
from workloads.backup import database
from workloads.cli import WorkloadError
from workloads.database.address import Address

SWAP_ATTEMPTS = 5
# https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
NAME_LIMIT = 63


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The database that a restore is to fill, as it is before; `sessions` says who is connected to it."""

    exists: bool
    owner: str
    tables: int = 0
    rows: int = 0
    sessions: tuple[str, ...] = ()


class Server:
    """One restore's hold on a server: nobody else restores the same target meanwhile."""

    def __init__(self, connection: psycopg.Connection, target: Address) -> None:
        self._connection = connection
        self._target = target

    def look(self, owner: str | None) -> Target:
        """Return what the target is now; `owner` is the role that the restored one shall belong to, if not its own."""
        found = self._connection.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (self._target.name,)
        ).fetchone()
        if found is None:
            return Target(exists=False, owner=owner or self._target.user)
        sessions = self.sessions()
        with self._target.connect() as connection:
            rows = database.row_counts(connection)
        return Target(
            exists=True, owner=owner or found[0], tables=len(rows), rows=sum(rows.values()), sessions=sessions
        )

    def sessions(self) -> tuple[str, ...]:
        """Return the sessions of the target, each with its program and address."""
        found = self._connection.execute(
            "SELECT coalesce(nullif(application_name, ''), 'unnamed program'), coalesce(host(client_addr), 'local')"
            " FROM pg_stat_activity WHERE datname = %s ORDER BY 1, 2",
            (self._target.name,),
        )
        return tuple(f"{program} from {client}" for program, client in found)

    def create(self, name: str, owner: str) -> None:
        """Create an empty database in the server's own locale; one that a killed restore left is dropped."""
        self.drop(name)
        query = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'")
        try:
            self._connection.execute(query.format(sql.Identifier(name), sql.Identifier(owner)))
        except psycopg.errors.InsufficientPrivilege as error:
            raise WorkloadError(
                f"role {self._target.user} can't create a database owned by {owner}: {error}. Grant it CREATEDB"
                " and membership of the owner, or restore as an administrator.", Exit.DATABASE,
            ) from error  # fmt: skip

    def drop(self, name: str) -> None:
        """Drop a database, if it's there, with the sessions in it."""
        self._connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def swap(self, fresh: str, *, replaced: str | None, terminate: bool) -> None:
        """Make `fresh` the target, in one transaction; the old target is renamed to `replaced` where there's one.

        `terminate` ends the old target's sessions. A client that comes back between that and the rename has it tried
        again.

        Raises:
            WorkloadError: Sessions keep the old target in use. It stays as it was.
        """
        for _ in range(SWAP_ATTEMPTS if terminate else 1):
            try:
                with self._connection.transaction():
                    if terminate:
                        self._terminate()
                    if replaced:
                        self._rename(self._target.name, replaced)
                    self._rename(fresh, self._target.name)
            except psycopg.errors.ObjectInUse:
                continue
            return
        raise WorkloadError(f"{self._target} is in use by {', '.join(self.sessions())}.", Exit.DATABASE)

    def _terminate(self) -> None:
        self._connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (self._target.name,)
        )

    def _rename(self, old: str, new: str) -> None:
        query = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        self._connection.execute(query.format(sql.Identifier(old), sql.Identifier(new)))


@contextmanager
def hold(target: Address, maintenance: str) -> Iterator[Server]:
    """Connect to the server of `target` by its database `maintenance`, and hold the target for one restore.

    Raises:
        WorkloadError: The server is dead, or another restore holds the target.
    """
    with target.of(maintenance).connect() as connection:
        # The lock ends with the session, so a killed restore leaves none.
        query = "SELECT pg_try_advisory_lock(hashtext('aegis-restore'), hashtext(%s))"
        if connection.execute(query, (target.name,)).fetchone() != (True,):
            raise WorkloadError(f"another restore into {target} is running.", Exit.DATABASE)
        yield Server(connection, target)


def name_beside(target: str, suffix: str) -> str:
    """Return the name of a database beside `target`, within PostgreSQL's limit."""
    return f"{target[: NAME_LIMIT - len(suffix) - 1]}_{suffix}"
