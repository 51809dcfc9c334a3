"""RDS's effects on the real PostgreSQL server: a new instance is empty except for RDS's roles and the administrator."""

from typing import Any

import psycopg
from moto.rds.models import DBInstance, RDSBackend
from psycopg import sql

from local.aws.account import Postgres

GROUPS = ("rds_superuser", "rds_iam")


def mirror(postgres: Postgres) -> None:
    """Prepare the server when moto creates an instance, and clear it when moto deletes one."""
    create, delete = RDSBackend.create_db_instance, RDSBackend.delete_db_instance

    def create_and_fill(self: RDSBackend, db_kwargs: dict[str, Any]) -> DBInstance:
        instance = create(self, db_kwargs)
        prepare(postgres, instance.master_username or "postgres", instance.db_name)
        return instance

    def delete_and_empty(self: RDSBackend, *args: Any, **kwargs: Any) -> DBInstance:  # noqa: ANN401 - moto's own
        instance = delete(self, *args, **kwargs)
        empty(postgres)
        return instance

    RDSBackend.create_db_instance = create_and_fill  # type: ignore[method-assign]
    RDSBackend.delete_db_instance = delete_and_empty  # type: ignore[method-assign]


def prepare(postgres: Postgres, administrator: str, database: str | None) -> None:
    """Clear the server, then create the roles of a new instance and its database, if it has one."""
    empty(postgres)
    name = sql.Identifier(administrator)
    with _connection(postgres) as connection:
        for group in GROUPS:
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(group)))
        connection.execute("GRANT rds_iam, pg_monitor, pg_signal_backend TO rds_superuser WITH ADMIN OPTION")
        connection.execute("REVOKE rds_iam FROM rds_superuser")
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE IN ROLE rds_superuser").format(name))
        if database:
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), name))


def empty(postgres: Postgres) -> None:
    """Drop every database and role of earlier instances."""
    with _connection(postgres) as connection:
        databases = connection.execute(
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> current_database()"
        ).fetchall()
        for (database,) in databases:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))
        roles = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname <> current_user AND rolname !~ '^pg_'"
        ).fetchall()
        for (role,) in roles:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def _connection(postgres: Postgres) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=postgres.host,
        port=postgres.port,
        user=postgres.user,
        password=postgres.password,
        dbname="postgres",
        sslmode="require",
        autocommit=True,
        connect_timeout=10,
    )
