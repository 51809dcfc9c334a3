"""The schema revisions of a database and of the installed MLflow, and the lock that a migration holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import sqlalchemy
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from contracts import Exit
from workloads import retry
from workloads.cli import WorkloadError

# Shared by all migrations of MLflow's database: an arbitrary 64-bit number, the bytes of "aegis".
LOCK_KEY = 0x6165676973
_SCRIPTS = Path(mlflow.__file__).parent / "store" / "db_migrations"


def scripts() -> ScriptDirectory:
    """Return the migration scripts of the installed MLflow."""
    return ScriptDirectory(str(_SCRIPTS))


def current(engine: sqlalchemy.Engine) -> str | None:
    """Return the schema revision of the database, or None if it has no schema yet."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def connect(uri: str) -> sqlalchemy.Engine:
    """Return an engine for `uri` once the database answers.

    Raises:
        WorkloadError: The URI is invalid, or the database doesn't answer after the retries.
    """
    try:
        engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    except (SQLAlchemyError, ImportError, ValueError, TypeError) as error:
        # Without the URI and the error's text: both may contain the password.
        raise WorkloadError(f"The database's URI can't be used: {type(error).__name__}.", Exit.USAGE) from None
    if engine.dialect.name != "sqlite" and uri.count("@") > 1:
        # Messages would show the text after the first @ as the host.
        raise WorkloadError("The database's URI has more than one @: write it as %40 in a password.", Exit.USAGE)
    # The query can contain a password, too.
    shown = engine.url.set(query={}).render_as_string(hide_password=True)
    retry.call(
        lambda: _connect_once(engine, shown),
        service=f"The database {shown}",
        code=Exit.DATABASE,
        transient=(OperationalError,),
    )
    return engine


def _connect_once(engine: sqlalchemy.Engine, shown: str) -> None:
    try:
        engine.connect().close()
    except OperationalError:
        raise
    except (SQLAlchemyError, ValueError, TypeError) as error:
        reason = _reason(error) if isinstance(error, DBAPIError) else type(error).__name__
        raise WorkloadError(f"The database {shown} can't be connected to: {reason}", Exit.USAGE) from None


@contextmanager
def advisory_lock(engine: sqlalchemy.Engine, timeout_seconds: int) -> Iterator[None]:
    """Hold the schema's advisory lock; it ends with the connection, so a killed process leaves none.

    Only PostgreSQL has advisory locks. The other databases, such as a SQLite file, have no second migrator.

    Raises:
        WorkloadError: Another session held the lock for longer than `timeout_seconds`.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            sqlalchemy.text("SELECT set_config('lock_timeout', :limit, false)"), {"limit": f"{timeout_seconds}s"}
        )
        try:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
        except DBAPIError as error:
            raise WorkloadError(
                f"Another migration held the schema's lock for more than {timeout_seconds} s: {_reason(error)}",
                Exit.DATABASE,
            ) from error
        yield


def _reason(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__
