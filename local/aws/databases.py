"""What RDS does on the server behind its one instance: a new one is empty and has RDS's roles and its administrator."""

from typing import Any

import psycopg
from moto.rds.models import DBInstance, RDSBackend
from psycopg import sql

from local.aws.account import Postgres

GROUPS = ("rds_superuser", "rds_iam")


def follow(postgres: Postgres) -> None:
    """Have the server follow what becomes of moto's instances."""
    create, delete = RDSBackend.create_db_instance, RDSBackend.delete_db_instance

    def create_and_fill(self: RDSBackend, db_kwargs: dict[str, Any]) -> DBInstance:
        instance = create(self, db_kwargs)
        make(postgres, instance.master_username or "postgres", instance.db_name)
        return instance

    def delete_and_empty(self: RDSBackend, *args: Any, **kwargs: Any) -> DBInstance:  # noqa: ANN401 - moto's own
        instance = delete(self, *args, **kwargs)
        empty(postgres)
        return instance

    RDSBackend.create_db_instance = create_and_fill  # type: ignore[method-assign]
    RDSBackend.delete_db_instance = delete_and_empty  # type: ignore[method-assign]


def make(postgres: Postgres, administrator: str, database: str | None) -> None:
    """Give an empty server the roles that a new instance has, and its database if it is to have one."""
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
    """Drop every database and role that an instance has had."""
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
