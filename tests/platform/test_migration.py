"""The schema migration on a real PostgreSQL server: one at a time, from an empty database."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from contracts import Env, Exit
from tests.platform import backup_servers as servers
from workloads.migration.schema import LOCK_KEY

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with servers.postgres() as variables:
        yield variables


@pytest.fixture
def database(server: dict[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    """Create an empty database for each test."""
    name = f"mlflow_{abs(hash(request.node.name))}"
    with psycopg.connect(servers.dsn(server | {"PGDATABASE": "postgres"}), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return server | {"PGDATABASE": name}


def upgrade(database: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    uri = (
        f"postgresql+psycopg://{database['PGUSER']}:{quote(database['PGPASSWORD'])}"
        f"@{database['PGHOST']}:{database['PGPORT']}/{database['PGDATABASE']}"
    )
    return subprocess.run(
        [sys.executable, "-m", "workloads.migration.upgrade", "--json", *arguments],
        env=os.environ | {Env.BACKEND_STORE_URI: uri}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_two_concurrent_migrations_create_one_schema(database: dict[str, str]) -> None:
    results: list[subprocess.CompletedProcess[str]] = []
    threads = [threading.Thread(target=lambda: results.append(upgrade(database))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.returncode for each in results] == [Exit.OK, Exit.OK], [each.stderr for each in results]
    outcomes = [json.loads(each.stdout) for each in results]
    assert sorted(each["changed"] for each in outcomes) == [False, True]
    assert len({each["after"] for each in outcomes}) == 1
    assert servers.PASSWORD not in "".join(each.stdout + each.stderr for each in results)


def test_a_lock_that_is_not_released_ends_the_wait_with_one_line(database: dict[str, str]) -> None:
    with psycopg.connect(servers.dsn(database), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        refused = upgrade(database, "--lock-timeout", "1")
    assert refused.returncode == Exit.DATABASE
    assert refused.stderr.splitlines()[-1].startswith(
        "error: Another migration held the schema's lock for more than 1 s"
    )
    with psycopg.connect(servers.dsn(database)) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)
