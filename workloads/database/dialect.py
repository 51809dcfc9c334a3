"""SQLAlchemy's dialects `postgresql+aegis` and `postgresql+rdsiam`: psycopg with a pool that makes requests wait.

The second one logs in to RDS with tokens of the pod's IAM role. MLflow needs no change: the distribution `aegis` in its
image (workloads/images/code) declares the classes as entry points of `sqlalchemy.dialects`, where SQLAlchemy finds them
in every process that opens the URI. MLflow sees the dialect `postgresql`, as with any driver.
https://docs.sqlalchemy.org/en/21/core/connections.html#registering-new-dialects
"""

from typing import Any

import psycopg
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.pool import Pool

from contracts import DATABASE_DRIVER, DATABASE_IAM_DRIVER, POSTGRES_PORT, Exit
from workloads.cli import WorkloadError
from workloads.database import login
from workloads.database.pool import QueueingPool


class AegisDialect(PGDialect_psycopg):
    """The psycopg dialect with a `QueueingPool`."""

    driver = DATABASE_DRIVER.partition("+")[2]
    # SQLAlchemy requires each class to declare it; these classes don't change statements.
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:  # noqa: ARG003 - SQLAlchemy's own signature
        """Return the pool class of every engine whose URI names this driver."""
        return QueueingPool


class RdsIamDialect(AegisDialect):
    """The same dialect, with a new token as the password of each connection and a server that is always checked."""

    driver = DATABASE_IAM_DRIVER.partition("+")[2]
    supports_statement_cache = True

    def create_connect_args(self, url: URL) -> tuple[list[str], dict[str, Any]]:
        """Return psycopg's arguments for `url`, without a password.

        Raises:
            WorkloadError: It has no user or host, has a password, or would let the token reach an unchecked server.
        """
        positional, arguments = super().create_connect_args(url)
        missing = [name for name in ("user", "host") if not isinstance(arguments.get(name), str)]
        if missing or positional:
            raise WorkloadError(f"The database's URI has no {' and no '.join(missing)}.", Exit.USAGE)
        if "password" in arguments:
            raise WorkloadError("The database's URI has a password: a login by token must have none.", Exit.USAGE)
        login.require_checked_server(
            arguments.setdefault("sslmode", login.SSL_MODE), "The sslmode of the database's URI"
        )
        return positional, arguments

    def connect(self, *positional: Any, **arguments: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's own signature
        """Open a connection with a new token."""
        try:
            password = login.token(arguments["host"], arguments.get("port", POSTGRES_PORT), arguments["user"])
        except WorkloadError as error:
            # A failed login to the callers: MLflow logs it and answers "temporarily unavailable".
            raise psycopg.OperationalError(str(error)) from error
        return super().connect(*positional, **arguments, password=password)
