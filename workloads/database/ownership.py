"""Creation of a role and the database that it owns, by an administrator that isn't a superuser, as on RDS.

Each step checks first, so that a second run changes nothing but a password. PostgreSQL 15 lets a role with CREATEROLE
manage every other role; since 16 it needs ADMIN on that role, which it has on the roles that it created.
https://www.postgresql.org/docs/16/role-attributes.html
"""

from dataclasses import dataclass, field
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.database.login import Auth

# RDS's own role: its direct and indirect members can log in by token only.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.DBAccounts.html
IAM_ROLE: Final = "rds_iam"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ownership:
    """The role `owner`, which logs in by `auth`, and its `database`; `password` is set for `Auth.PASSWORD` only."""

    owner: str
    database: str
    auth: Auth
    password: str | None = field(default=None, repr=False)


def establish(connection: psycopg.Connection, ownership: Ownership) -> list[str]:
    """Establish `ownership` on the server of `connection`, and return the changes, one line each.

    Raises:
        WorkloadError: The server doesn't support it, or the administrator would lose its own login.
        psycopg.Error: The administrator lacks a permission.
    """
    steps = (_role, _database, _owner, _token_login if ownership.auth is Auth.IAM else _password_login)
    return [change for step in steps if (change := step(connection, ownership))]


def _role(connection: psycopg.Connection, ownership: Ownership) -> str | None:
    found = _value(connection, "SELECT rolcanlogin AND rolcreatedb FROM pg_roles WHERE rolname = %s", ownership.owner)
    if found is True:
        return None
    # CREATEDB: a restore fills a second database and then swaps it with the live one.
    statement = "CREATE ROLE {} LOGIN CREATEDB" if found is None else "ALTER ROLE {} LOGIN CREATEDB"
    _run(connection, statement, ownership.owner)
    return f"role {ownership.owner} {'created' if found is None else 'may log in and create databases'}"


def _database(connection: psycopg.Connection, ownership: Ownership) -> str | None:
    if _value(connection, "SELECT true FROM pg_database WHERE datname = %s", ownership.database):
        return None
    _run(connection, "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", ownership.database)
    return f"database {ownership.database} created"


def _owner(connection: psycopg.Connection, ownership: Ownership) -> str | None:
    """Give the database to its owner and close it to all other roles."""
    right = _value(
        connection,
        "SELECT pg_get_userbyid(datdba) = %s AND NOT EXISTS ("
        " SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0"
        ") FROM pg_database WHERE datname = %s",
        ownership.owner,
        ownership.database,
    )
    if right:
        return None
    # Only a member of the owner may do this, but a member of a role that logs in by token can't log in by password. So
    # the membership lasts for this transaction only, and a killed process leaves none behind.
    with connection.transaction():
        _run(connection, "GRANT {} TO CURRENT_USER", ownership.owner)
        _run(connection, "ALTER DATABASE {} OWNER TO {}", ownership.database, ownership.owner)
        _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", ownership.database)
        _run(connection, "REVOKE {} FROM CURRENT_USER", ownership.owner)
    return f"database {ownership.database} belongs to {ownership.owner}, closed to PUBLIC"


def _token_login(connection: psycopg.Connection, ownership: Ownership) -> str | None:
    if _value(connection, "SELECT true FROM pg_roles WHERE rolname = %s", IAM_ROLE) is None:
        raise WorkloadError(
            f"The server has no role {IAM_ROLE}: only RDS has it, with IAM authentication enabled.", Exit.DATABASE
        )
    if _value(connection, "SELECT pg_has_role(%s, %s, 'MEMBER')", ownership.owner, IAM_ROLE):
        return None
    inherits = "SELECT NOT rolsuper AND pg_has_role(oid, %s, 'USAGE') FROM pg_roles WHERE rolname = CURRENT_USER"
    if _value(connection, inherits, ownership.owner):
        raise WorkloadError(
            f"The administrator {connection.info.user} is a member of {ownership.owner}: with {IAM_ROLE} granted to "
            f'that role, it could no longer log in by password. REVOKE "{ownership.owner}" FROM it first.',
            Exit.DATABASE,
        )
    with connection.transaction():
        _run(connection, "ALTER ROLE {} PASSWORD NULL", ownership.owner)
        _run(connection, "GRANT {} TO {}", IAM_ROLE, ownership.owner)
    return f"role {ownership.owner} logs in by token"


def _password_login(connection: psycopg.Connection, ownership: Ownership) -> str | None:
    # The server may log the statement: it contains the verifier that the server stores, not the password.
    verifier = connection.pgconn.encrypt_password(
        (ownership.password or "").encode(), ownership.owner.encode(), b"scram-sha-256"
    )
    members = "SELECT pg_has_role(%s, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s"
    with connection.transaction():
        if _value(connection, members, ownership.owner, IAM_ROLE):
            _run(connection, "REVOKE {} FROM {}", IAM_ROLE, ownership.owner)
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ownership.owner), sql.Literal(verifier.decode()))
        )
    return f"role {ownership.owner} logs in by its password"


def _run(connection: psycopg.Connection, statement: LiteralString, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _value(connection: psycopg.Connection, query: LiteralString, *values: str) -> bool | None:
    row = connection.execute(query, values).fetchone()
    return row[0] if row else None
