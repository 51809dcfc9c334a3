"""Create, swap and drop the databases of one PostgreSQL server from its maintenance database.

A restore fills a new database beside the target and renames the two in one transaction, so that a failed restore loses
nothing, and MLflow never sees a half-filled schema.

A database that a restore will drop carries a comment that says so. It identifies what a killed restore left, so that no
other database is dropped.
"""

import hashlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from contracts import Exit
from workloads import retry
from workloads.backup import database, target
from workloads.cli import WorkloadError
from workloads.database.address import NAME_LIMIT, Address

SWAP_ATTEMPTS = 5

_COMMENTS = """
    SELECT d.datname, shobj_description(d.oid, 'pg_database') FROM pg_database d ORDER BY 1
"""
_OTHERS = """
    SELECT to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM pg_stat_activity
    WHERE application_name = %s AND pid <> pg_backend_pid()
"""
# A process of the PostgreSQL server, such as an autovacuum, has no user. Only a superuser may end it, and it gives way.
_END_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = %s AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
"""


class Server:
    """A PostgreSQL server on which one restore holds its target, so that no other restore replaces it meanwhile."""

    def __init__(self, connection: psycopg.Connection, address: Address, maintenance: Address) -> None:
        self.connection = connection
        self._target = address
        self._maintenance = maintenance
        self.fresh = name_beside(address.name, "restoring")
        self._half = f"aegis: a half-finished restore of {address.name}"
        self._replaced = f"aegis: replaced by a restore of {address.name}, to be dropped"

    def create(self, owner: str) -> None:
        """Create the empty database `fresh` in the default locale of the PostgreSQL server."""
        query = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'")
        self.connection.execute(query.format(sql.Identifier(self.fresh), sql.Identifier(owner)))
        self._comment(self.fresh, self._half)

    def drop(self, name: str) -> None:
        """Drop a database, if it exists, with its sessions, over a new connection, because the first may be lost.

        Raises:
            WorkloadError: The PostgreSQL server is dead, or the role may not drop it.
        """
        with self._maintenance.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def discard(self, name: str) -> bool:
        """Drop a database and return True, or print on stderr that it is left and return False."""
        try:
            self.drop(name)
        except WorkloadError as error:
            print(f"database {name} is left until the next restore or backup drops it: {error}", file=sys.stderr)
            return False
        return True

    def clean_up(self) -> None:
        """Drop the databases that killed restores into the target left, and print them on stderr.

        Raises:
            WorkloadError: A database named `fresh` holds tables, but no restore created it.
        """
        for name, comment in self.connection.execute(_COMMENTS).fetchall():
            if self._is_leftover(name, comment) and self.discard(name):
                print(f"dropped {name}, which a killed restore had left", file=sys.stderr)

    def swap(self, *, keep: bool, exists: bool, force: bool) -> str | None:
        """Rename `fresh` to the target in one transaction, and return the new name of the old target, None if missing.

        `force` ends the old target's sessions; if a session returns before the rename, the swap is tried again. Without
        `keep` the old target is marked to be dropped.

        Raises:
            WorkloadError: Sessions keep the old target in use. It is unchanged.
        """
        old = name_beside(self._target.name, f"replaced_{datetime.now(UTC):%Y%m%d%H%M%S}") if exists else None
        restored = self._number(self.connection, self.fresh)
        for _ in range(SWAP_ATTEMPTS if exists and force else 1):
            try:
                self._swap(old, mark=not keep, force=force)
            except psycopg.errors.ObjectInUse:
                continue
            except psycopg.OperationalError:
                # The commit may have succeeded although its answer was lost.
                if not self._is_target(restored):
                    raise
            return old
        users = target.names(target.sessions(self.connection, self._target))
        raise WorkloadError(f"{self._target} is in use by {users}.", Exit.DATABASE)

    def _swap(self, old: str | None, *, mark: bool, force: bool) -> None:
        with self.connection.transaction():
            if old:
                if force:
                    self.connection.execute(_END_SESSIONS, (self._target.name,))
                self._rename(self._target.name, old)
                if mark:
                    self._comment(old, self._replaced)
            self._rename(self.fresh, self._target.name)
            self._comment(self._target.name, None)

    def _is_target(self, number: int | None) -> bool:
        try:
            with self._maintenance.connect() as connection:
                return self._number(connection, self._target.name) == number
        except WorkloadError as error:
            raise WorkloadError(
                f"The connection was lost while {self._target} was being replaced, and the result is unknown: {error}",
                Exit.DATABASE,
            ) from error

    def _is_leftover(self, name: str, comment: str | None) -> bool:
        if name == self.fresh:
            if comment != self._half and self._holds_tables(name):
                raise WorkloadError(
                    f"database {name} is in the way, and no restore created it: rename it or drop it.", Exit.USAGE
                )
            return True
        stamp = re.compile(r"replaced_[0-9]{14}")
        named = any(name == name_beside(self._target.name, found) for found in stamp.findall(name))
        return named and comment == self._replaced

    def _holds_tables(self, name: str) -> bool:
        with self._target.of(name).connect() as connection:
            return bool(database.row_counts(connection))

    @staticmethod
    def _number(connection: psycopg.Connection, name: str) -> int | None:
        row = connection.execute("SELECT oid::bigint FROM pg_database WHERE datname = %s", (name,)).fetchone()
        return row[0] if row else None

    def _rename(self, old: str, new: str) -> None:
        query = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        self.connection.execute(query.format(sql.Identifier(old), sql.Identifier(new)))

    def _comment(self, name: str, text: str | None) -> None:
        query = sql.SQL("COMMENT ON DATABASE {} IS {}")
        self.connection.execute(query.format(sql.Identifier(name), sql.Literal(text)))


@contextmanager
def hold(address: Address, maintenance: str, attempts: int = retry.ATTEMPTS) -> Iterator[Server]:
    """Connect to the database `maintenance` of the server of `address`, and hold the target for one restore.

    Raises:
        WorkloadError: The PostgreSQL server is dead, or another restore holds the target.
    """
    place = address.of(maintenance)
    with place.connect(attempts) as connection:
        # A lock belongs to one database, and two restores may connect to different ones. The name of a session is
        # visible from all. Both end with the session, so a killed restore leaves neither.
        name = f"aegis restore {_short_digest(address.name)}"
        connection.execute("SELECT set_config('application_name', %s, false)", (name,))
        locked = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (name,)).fetchone()
        other = connection.execute(_OTHERS, (name,)).fetchone()
        if locked != (True,) or other:
            since = f" since {other[0]} UTC" if other else ""
            raise WorkloadError(f"another restore into {address} is running{since}.", Exit.DATABASE)
        yield Server(connection, address, place)


def clean_up(address: Address) -> None:
    """Drop what a killed restore into `address` left, unless one is running; only print a failure on stderr."""
    try:
        with hold(address, address.name, attempts=1) as server:
            server.clean_up()
    except WorkloadError as error:
        print(f"nothing was cleaned up: {error}", file=sys.stderr)


def name_beside(name: str, suffix: str) -> str:
    """Return a name for a database beside `name`, within PostgreSQL's limit and unique to this target."""
    whole = f"{name}_{suffix}"
    if len(whole.encode()) <= NAME_LIMIT:
        return whole
    end = f"_{_short_digest(name)}_{suffix}"
    return name.encode()[: NAME_LIMIT - len(end)].decode(errors="ignore") + end


def _short_digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
