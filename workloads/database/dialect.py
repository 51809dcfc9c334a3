"""SQLAlchemy's `postgresql+aegis` and `postgresql+rdsiam`: psycopg with a pool in which requests wait for their turn.

The second one logs in to RDS with tokens of the pod's AWS role. MLflow knows nothing of it: the distribution `aegis` in
its image (workloads/images/code) names the classes as entry points of `sqlalchemy.dialects`, which SQLAlchemy looks up
in every process that opens the URI. To MLflow the dialect is `postgresql`, as with any driver.
https://docs.sqlalchemy.org/en/21/core/connections.html#registering-new-dialects
"""

from typing import Any

import psycopg
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.pool import Pool

from contracts import DATABASE_DRIVER, DATABASE_IAM_DRIVER, POSTGRES_PORT, Exit
from workloads.cli import WorkloadError
from workloads.database import tokens
from workloads.database.pool import QueueingPool


class AegisDialect(PGDialect_psycopg):
    """The psycopg dialect with a `QueueingPool`."""

    driver = DATABASE_DRIVER.partition("+")[2]
    # SQLAlchemy wants each class to say so itself; nothing here changes a statement.
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:  # noqa: ARG003 - SQLAlchemy's own signature
        """Return the pool of every engine whose URI names this driver."""
        return QueueingPool


class RdsIamDialect(AegisDialect):
    """The same with a new token as the password of each new connection, and the server always checked."""

    driver = DATABASE_IAM_DRIVER.partition("+")[2]
    supports_statement_cache = True

    def create_connect_args(self, url: URL) -> tuple[list[str], dict[str, Any]]:
        """Return psycopg's arguments for `url`, without a password.

        Raises:
            WorkloadError: It lacks what a token is made for, or would let the token reach an unchecked server.
        """
        positional, arguments = super().create_connect_args(url)
        missing = [name for name in ("user", "host") if not isinstance(arguments.get(name), str)]
        if missing or positional:
            raise WorkloadError(f"The database's URI names no {' and no '.join(missing)}.", Exit.USAGE)
        if "password" in arguments:
            raise WorkloadError("The database's URI holds a password: a login by token has none.", Exit.USAGE)
        tokens.require_checked_server(
            arguments.setdefault("sslmode", tokens.SSL_MODE), "The sslmode of the database's URI"
        )
        return positional, arguments

    def connect(self, *positional: Any, **arguments: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's own signature
        """Open a connection with a token that is made now."""
        try:
            password = tokens.token(arguments["host"], arguments.get("port", POSTGRES_PORT), arguments["user"])
        except WorkloadError as error:
            # A failed login to everything above: MLflow logs it and answers "temporarily unavailable".
            raise psycopg.OperationalError(str(error)) from error
        return super().connect(*positional, **arguments, password=password)
