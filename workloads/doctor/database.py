"""Print what MLflow's server sees of its database: clock, schema, connections, and its own pool."""

import importlib.util
import json
import os
import time
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from contracts import Env


def head() -> str | None:
    """Return the schema revision of the installed MLflow, without the seconds that importing it takes."""
    spec = importlib.util.find_spec("mlflow")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        return None
    return ScriptDirectory(str(Path(next(iter(folders)), "store", "db_migrations"))).get_current_head()


def facts(connection: Connection) -> dict[str, Any]:
    """Return the facts of a PostgreSQL server; the clocks are in seconds since 1970."""
    before = time.time()
    clock = connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())::float8"))
    after = time.time()
    return {
        "database_clock": clock,
        "pod_clock": (before + after) / 2,
        "revision": MigrationContext.configure(connection).get_current_revision(),
        "most_connections": int(connection.scalar(text("SHOW max_connections")) or 0),
        "connections": int(connection.scalar(text("SELECT sum(numbackends) FROM pg_stat_database")) or 0),
    }


def pool() -> dict[str, int]:
    """Return the server's pool: its processes, and the connections of each."""
    return {
        "workers": int(os.environ.get("MLFLOW_WORKERS", "1")),
        "size": int(os.environ.get("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "5")),
        "overflow": int(os.environ.get("MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW", "10")),
    }


def main() -> None:
    """Print the facts."""
    engine = sqlalchemy.create_engine(os.environ[Env.BACKEND_STORE_URI], poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        print(json.dumps({"head": head(), "pool": pool(), **facts(connection)}))


if __name__ == "__main__":
    main()
