"""Create MLflow's database in the cluster or on RDS."""

import pulumi

from infra.capabilities.database.managed import managed_database
from infra.capabilities.database.postgres import Postgres, PostgresArgs
from infra.context import Context
from infra.limits.flows import POSTGRES_PODS
from infra.links import Database


def make_database(context: Context) -> Database:
    """Create the database, and export its address and password for administrators."""
    settings = context.settings
    if settings.database.kind == "rds":
        database = managed_database(context)
        pulumi.export("database_host", database.address.host)
    else:
        database = _in_cluster(context)
        if settings.localhost is not None:
            pulumi.export("database_host", "localhost")
            pulumi.export("database_port", settings.localhost.postgres)
    if database.address.password is not None:
        pulumi.export("database_password", pulumi.Output.secret(database.address.password))
    return database


def _in_cluster(context: Context) -> Database:
    settings = context.settings
    server = Postgres(
        "postgres",
        PostgresArgs(
            namespace=context.namespace,
            image=settings.images.of("postgres"),
            memory=settings.database.memory,
            storage=settings.database.storage,
            storage_class=settings.cluster.storage_class,
            traffic=context.traffic(POSTGRES_PODS),
        ),
        context.opts,
    )
    return Database(address=server.database, ready=server)
