"""Inspect the database that a restore will replace, and refuse it before the work begins."""

from dataclasses import dataclass

import psycopg
from psycopg.rows import dict_row

from contracts import Exit
from workloads.backup import database, tools
from workloads.backup.manifest import Manifest
from workloads.cli import WorkloadError
from workloads.database.address import Address

# The oldest PostgreSQL version in which a member may lack the right to act as the role.
_SET_OPTION = 160000
# A database whose DROP was interrupted: https://www.postgresql.org/docs/current/catalog-pg-database.html
_INVALID = -2

_STATE = """
    SELECT datistemplate, datallowconn, datconnlimit, pg_get_userbyid(datdba) AS owner
    FROM pg_database WHERE datname = %s
"""
_PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = %s ORDER BY 1"
_SELF = "SELECT rolcreatedb OR rolsuper AS creates, pg_is_in_recovery() AS standby FROM pg_roles WHERE rolname = user"
_SESSIONS = """
    SELECT coalesce(nullif(a.application_name, ''), 'unnamed program') || ' from '
        || coalesce(host(a.client_addr), 'local') AS name,
      me.rolsuper OR NOT r.rolsuper AND (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))
        AS endable
    FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid JOIN pg_roles me ON me.rolname = user
    WHERE a.datname = %s AND a.pid <> pg_backend_pid() ORDER BY 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A session in the target: its program and address, and whether this role may end it."""

    name: str
    endable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The database that a restore will replace, as it is now."""

    exists: bool
    owner: str
    tables: int = 0
    rows: int = 0
    sessions: tuple[Session, ...] = ()


def look(connection: psycopg.Connection, target: Address, owner: str | None) -> Target:
    """Return the current state of the database `target`; `owner`, if given, will own the restored database.

    Raises:
        WorkloadError: No restore can replace it (`Exit.USAGE`), or this role can't (`Exit.DATABASE`).
    """
    if connection.info.dbname == target.name:
        raise _refused(target, "is the database that the restore connects to: name another with --maintenance-database")
    _require_rights(connection, target)
    state = connection.cursor(row_factory=dict_row).execute(_STATE, (target.name,)).fetchone()
    if state is None:
        found = Target(exists=False, owner=owner or target.user)
        _require_role(connection, target, found.owner)
        return found
    if state["datistemplate"]:
        raise _refused(target, "is a template for new databases")
    if state["datconnlimit"] == _INVALID:
        raise _refused(target, "was dropped incompletely: drop it first")
    if not state["datallowconn"]:
        raise _refused(target, "takes no connections (datallowconn is false)")
    if prepared := connection.execute(_PREPARED, (target.name,)).fetchall():
        raise _refused(target, f"has prepared transactions: {', '.join(gid for (gid,) in prepared)}")
    _require_role(connection, target, state["owner"])
    _require_role(connection, target, owner or state["owner"])
    present = sessions(connection, target)
    with target.connect() as inside:
        rows = database.row_counts(inside)
    return Target(
        exists=True, owner=owner or state["owner"], tables=len(rows), rows=sum(rows.values()), sessions=present
    )


def sessions(connection: psycopg.Connection, target: Address) -> tuple[Session, ...]:
    """Return the sessions in `target` except this connection."""
    found = connection.cursor(row_factory=dict_row).execute(_SESSIONS, (target.name,))
    return tuple(Session(name=row["name"], endable=row["endable"]) for row in found)


def names(found: tuple[Session, ...]) -> str:
    """Return the names of sessions for a message."""
    return ", ".join(session.name for session in found)


def refuse_in_use(found: Target, target: Address, *, force: bool) -> None:
    """Refuse a target that holds tables or is in use, unless `force`, and sessions that this role can't end.

    Raises:
        WorkloadError: The target is refused.
    """
    if force:
        if held := tuple(session for session in found.sessions if not session.endable):
            raise _refused(target, f"is in use by {names(held)}, which role {target.user} may not end: stop them")
        return
    if found.tables:
        raise _refused(target, f"holds {found.tables} tables with {found.rows} rows: --force replaces it")
    if found.sessions:
        raise _refused(target, f"is empty but in use by {names(found.sessions)}: stop them, or give --force")


def refuse_older_server(connection: psycopg.Connection, target: Address, manifest: Manifest) -> None:
    """Refuse a dump of a newer major version, whose statements this PostgreSQL server may not know.

    Raises:
        WorkloadError: The dump is refused.
    """
    server = database.version(connection)
    if tools.major(server) < tools.major(manifest.server_version):
        raise _refused(
            target,
            f"runs on PostgreSQL {server}, but backup {manifest.id} is of {manifest.server_version}:"
            f" a restore needs version {tools.major(manifest.server_version)} or newer",
        )


def _require_rights(connection: psycopg.Connection, target: Address) -> None:
    own = connection.cursor(row_factory=dict_row).execute(_SELF).fetchone()
    if own and own["standby"]:
        raise _refused(target, "is on a standby, which can't be written to")
    if not own or not own["creates"]:
        raise WorkloadError(
            f"role {target.user} can't create databases on the server of {target}. Grant it CREATEDB, or restore as an"
            " administrator.", Exit.DATABASE,
        )  # fmt: skip


def _require_role(connection: psycopg.Connection, target: Address, role: str) -> None:
    exists = connection.execute("SELECT true FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    if exists is None:
        raise WorkloadError(f"there is no role {role!r} on the server of {target}.", Exit.USAGE)
    right = "SET" if connection.info.server_version >= _SET_OPTION else "MEMBER"
    if connection.execute("SELECT pg_has_role(%s, %s)", (role, right)).fetchone() != (True,):
        raise WorkloadError(
            f"role {target.user} is not a member of {role}, which owns {target} or will own it: grant it, or"
            " restore as an administrator.", Exit.DATABASE,
        )  # fmt: skip


def _refused(target: Address, why: str) -> WorkloadError:
    return WorkloadError(f"{target} {why}.", Exit.USAGE)
