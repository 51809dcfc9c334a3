"""A role and the database that it owns, made by an administrator who is no superuser, as RDS's is none.

Each step looks first, so that a second run changes nothing but a password. PostgreSQL 15 lets a role with CREATEROLE
manage every other role; since 16 it must have ADMIN on that role, which it has on those that it made itself.
https://www.postgresql.org/docs/16/role-attributes.html
"""

from dataclasses import dataclass, field
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.database.auth import Auth

# RDS's own role: its members, and the members of those, log in by token and by nothing else.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.DBAccounts.html
IAM_ROLE: Final = "rds_iam"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ownership:
    """The role `owner`, which logs in by `auth`, and its `database`; `password` is for `Auth.PASSWORD` only."""

    owner: str
    database: str
    auth: Auth
    password: str | None = field(default=None, repr=False)


def establish(connection: psycopg.Connection, wanted: Ownership) -> list[str]:
    """Make what is `wanted` on the server of `connection`, and return what was changed, one line each.

    Raises:
        WorkloadError: The server can't do it, or the administrator would lose its own login.
        psycopg.Error: The administrator may not.
    """
    steps = (_role, _database, _owner, _token_login if wanted.auth is Auth.IAM else _password_login)
    return [change for step in steps if (change := step(connection, wanted))]


def _role(connection: psycopg.Connection, wanted: Ownership) -> str | None:
    found = _value(connection, "SELECT rolcanlogin AND rolcreatedb FROM pg_roles WHERE rolname = %s", wanted.owner)
    if found is True:
        return None
    # CREATEDB: a restore fills a database beside the live one, and then swaps them.
    statement = "CREATE ROLE {} LOGIN CREATEDB" if found is None else "ALTER ROLE {} LOGIN CREATEDB"
    _run(connection, statement, wanted.owner)
    return f"role {wanted.owner} {'made' if found is None else 'may log in and make databases'}"


def _database(connection: psycopg.Connection, wanted: Ownership) -> str | None:
    if _value(connection, "SELECT true FROM pg_database WHERE datname = %s", wanted.database):
        return None
    _run(connection, "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", wanted.database)
    return f"database {wanted.database} made"


def _owner(connection: psycopg.Connection, wanted: Ownership) -> str | None:
    """Give the database to its owner and close it to all others."""
    right = _value(
        connection,
        "SELECT pg_get_userbyid(datdba) = %s AND NOT EXISTS ("
        " SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0"
        ") FROM pg_database WHERE datname = %s",
        wanted.owner,
        wanted.database,
    )
    if right:
        return None
    # Only a member of the owner may do this, and a member of a role that logs in by token can't log in by password any
    # more: the membership ends with the transaction that it begins in, so that nobody, killed or not, is left with it.
    with connection.transaction():
        _run(connection, "GRANT {} TO CURRENT_USER", wanted.owner)
        _run(connection, "ALTER DATABASE {} OWNER TO {}", wanted.database, wanted.owner)
        _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", wanted.database)
        _run(connection, "REVOKE {} FROM CURRENT_USER", wanted.owner)
    return f"database {wanted.database} belongs to {wanted.owner}, closed to PUBLIC"


def _token_login(connection: psycopg.Connection, wanted: Ownership) -> str | None:
    if _value(connection, "SELECT true FROM pg_roles WHERE rolname = %s", IAM_ROLE) is None:
        raise WorkloadError(
            f"The server has no role {IAM_ROLE}: only RDS has it, with IAM authentication switched on.", Exit.DATABASE
        )
    if _value(connection, "SELECT pg_has_role(%s, %s, 'MEMBER')", wanted.owner, IAM_ROLE):
        return None
    inherits = "SELECT NOT rolsuper AND pg_has_role(oid, %s, 'USAGE') FROM pg_roles WHERE rolname = CURRENT_USER"
    if _value(connection, inherits, wanted.owner):
        raise WorkloadError(
            f"The administrator {connection.info.user} is a member of {wanted.owner}: with {IAM_ROLE} granted to that"
            f' role, it could no longer log in by password. REVOKE "{wanted.owner}" FROM it first.', Exit.DATABASE,
        )  # fmt: skip
    with connection.transaction():
        _run(connection, "ALTER ROLE {} PASSWORD NULL", wanted.owner)
        _run(connection, "GRANT {} TO {}", IAM_ROLE, wanted.owner)
    return f"role {wanted.owner} logs in by token"


def _password_login(connection: psycopg.Connection, wanted: Ownership) -> str | None:
    # The server's log may show the statement: it gets what the server would keep, not the password.
    verifier = connection.pgconn.encrypt_password(
        (wanted.password or "").encode(), wanted.owner.encode(), b"scram-sha-256"
    )
    members = "SELECT pg_has_role(%s, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s"
    with connection.transaction():
        if _value(connection, members, wanted.owner, IAM_ROLE):
            _run(connection, "REVOKE {} FROM {}", IAM_ROLE, wanted.owner)
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(wanted.owner), sql.Literal(verifier.decode()))
        )
    return f"role {wanted.owner} logs in by its password"


def _run(connection: psycopg.Connection, statement: LiteralString, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _value(connection: psycopg.Connection, query: LiteralString, *values: str) -> bool | None:
    row = connection.execute(query, values).fetchone()
    return row[0] if row else None
