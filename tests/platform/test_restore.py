"""Restores on a real PostgreSQL: what is refused before any work, and what is there after a broken one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from contracts import Exit
from tests.platform import backup_servers
from tests.platform.backup_platform import ROOT, Platform
from workloads.backup import restoration, server
from workloads.backup.restoration import Options, Restored
from workloads.backup.server import Server
from workloads.backup.store import BackupStore
from workloads.cli import WorkloadError
from workloads.database.address import Address

BUCKET = "mlflow-backups"
NAME = "mlflow"
# As MLflow's database is on AWS: its owner makes databases, and is no superuser.
TENANT = {"PGUSER": "tenant", "PGPASSWORD": "tenant-password"}
SCHEMA = """
    CREATE TABLE alembic_version (version_num text);
    INSERT INTO alembic_version VALUES ('abc123');
    CREATE TABLE runs (id int);
    INSERT INTO runs SELECT generate_series(1, 10);
"""


# The catalogue is every database's; a subscription is altered in its own.
SUBSCRIPTIONS = """
SELECT subname FROM pg_subscription JOIN pg_database ON pg_database.oid = subdbid WHERE datname = current_database()
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[Platform]:
    with backup_servers.postgres("admin") as postgres, backup_servers.object_store() as store:
        platform = Platform(variables=postgres | store | {"AEGIS_BACKUPS_BUCKET": BUCKET, "PGDATABASE": NAME})
        platform.store().create_bucket(Bucket=BUCKET)
        platform.sql("CREATE ROLE tenant LOGIN CREATEDB PASSWORD 'tenant-password'")
        yield platform


@pytest.fixture
def admin(servers: Platform) -> Iterator[Platform]:
    """The tenant's database with two tables, seen by the administrator."""
    servers.sql(f"CREATE DATABASE {NAME} OWNER tenant")
    as_tenant(servers).sql(SCHEMA, NAME)
    yield servers
    for database in servers.databases() - {"postgres"}:
        servers.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        for (subscription,) in servers.sql(SUBSCRIPTIONS, database):
            servers.sql(f"ALTER SUBSCRIPTION {subscription} DISABLE", database)
            servers.sql(f"ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE)", database)
            servers.sql(f"DROP SUBSCRIPTION {subscription}", database)
        servers.sql(f"DROP DATABASE {database} WITH (FORCE)")
    client = servers.store()
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])


@pytest.fixture
def tenant(admin: Platform) -> Platform:
    """The same database, seen by its owner."""
    return as_tenant(admin)


def as_tenant(platform: Platform) -> Platform:
    return replace(platform, variables=platform.variables | TENANT)


def broken(platform: Platform, method: str) -> subprocess.CompletedProcess[str]:
    """Run a forced restore that is killed as soon as it has called a method of `Server`."""
    script = f"""
import os, signal
from workloads.backup import restore
from workloads.backup.server import Server
original = Server.{method}
def killed(*given, **named):
    original(*given, **named)
    os.kill(os.getpid(), signal.SIGKILL)
Server.{method} = killed
restore.main(["--force"])
"""
    environment = platform.variables | {"PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip


def in_process(platform: Platform, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Restored:
    for name, value in platform.variables.items():
        monkeypatch.setenv(name, value)
    store = BackupStore.from_env("mlflow")
    return restoration.restore(store, store.find("latest").id, Address.from_env(), Options(force=True, **options))


def beside(platform: Platform) -> set[str]:
    return platform.databases() - {"postgres", NAME}


def refused(platform: Platform, *arguments: str, **changed: str) -> str:
    """Run a restore that is refused before it has read the dump or made a database; return the line that says why."""
    before = platform.databases()
    done = platform.run("restore", *arguments, **changed)
    assert done.returncode == Exit.USAGE, done.stderr
    assert platform.databases() == before
    (line,) = done.stderr.splitlines()
    return line


def test_a_template_is_refused_before_any_work(tenant: Platform) -> None:
    tenant.json("create")
    assert "is a template for new databases" in refused(tenant, "--force", PGDATABASE="template1")


def test_the_maintenance_database_is_refused_before_any_work(tenant: Platform) -> None:
    tenant.json("create")
    assert "name another with --maintenance-database" in refused(tenant, "--force", PGDATABASE="postgres")
    assert "name another with --maintenance-database" in refused(tenant, "--force", f"--maintenance-database={NAME}")


def test_a_database_that_takes_no_connections_is_refused_before_any_work(admin: Platform, tenant: Platform) -> None:
    tenant.json("create")
    admin.sql(f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS false")
    assert "takes no connections" in refused(tenant, "--force")


def test_a_server_older_than_the_backup_is_refused_before_any_work(tenant: Platform) -> None:
    made = tenant.json("create")["backup"]
    newer = json.dumps(made | {"server_version": "99.1"}).encode()
    tenant.store().put_object(Bucket=BUCKET, Key=f"mlflow/{made['id']}/manifest.json", Body=newer)

    line = refused(tenant, "--force")

    assert "runs on PostgreSQL 15." in line
    assert "is of 99.1: a restore needs version 99 or newer" in line


def test_a_session_that_the_role_may_not_end_is_named_before_any_work(admin: Platform, tenant: Platform) -> None:
    tenant.json("create")
    with psycopg.connect(backup_servers.dsn(admin.variables), application_name="exporter"):
        assert "in use by exporter from" in refused(tenant, "--force")


def test_an_unknown_owner_is_named_before_any_work(tenant: Platform) -> None:
    tenant.json("create")
    assert "there is no role 'nobody'" in refused(tenant, "--force", "--owner=nobody")


def test_a_database_of_another_owner_is_left_alone_before_any_work(admin: Platform, tenant: Platform) -> None:
    tenant.json("create")
    admin.sql("CREATE DATABASE others")

    done = tenant.run("restore", "--force", PGDATABASE="others")

    assert done.returncode == Exit.DATABASE
    assert "role tenant is not a member of admin" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_client_older_than_the_server_is_told_with_both_versions(tenant: Platform, tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 14.9'\n")
    program.chmod(0o755)

    done = tenant.run("create", PATH=f"{tmp_path}:/usr/bin:/bin")

    assert done.returncode == Exit.DATABASE
    assert "pg_dump 14.9 is older than the server 15." in done.stderr


def test_a_restore_killed_while_it_filled_is_cleaned_up_by_the_next(tenant: Platform) -> None:
    tenant.json("create")
    broken(tenant, "create")
    assert beside(tenant) == {"mlflow_restoring"}

    done = tenant.run("restore", "--force")

    assert done.returncode == 0, done.stderr
    assert "dropped mlflow_restoring" in done.stderr
    assert beside(tenant) == set()


@pytest.mark.parametrize("method", ["create", "swap"])
def test_a_killed_restore_is_cleaned_up_by_the_next_backup(tenant: Platform, method: str) -> None:
    tenant.json("create")
    broken(tenant, method)
    (left,) = beside(tenant)

    done = tenant.run("create")

    assert done.returncode == 0, done.stderr
    assert f"dropped {left}, which a killed restore had left" in done.stderr
    assert beside(tenant) == set()
    assert tenant.sql("SELECT count(*) FROM runs", NAME) == [(10,)]


def test_what_a_running_restore_uses_is_left_alone(tenant: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant.json("create")
    for name, value in tenant.variables.items():
        monkeypatch.setenv(name, value)
    with server.hold(Address.from_env(), "postgres") as running:
        running.create("tenant")
        backup = tenant.run("create")
        others = [
            tenant.run("restore", "--force", "--maintenance-database", name) for name in ("postgres", "template1")
        ]

    assert backup.returncode == 0
    assert [other.returncode for other in others] == [Exit.DATABASE, Exit.DATABASE]
    assert all("another restore into" in other.stderr for other in others)
    assert beside(tenant) == {"mlflow_restoring"}


def test_a_database_kept_on_request_is_never_cleaned_up(tenant: Platform) -> None:
    tenant.json("create")
    kept = tenant.json("restore", "--force", "--keep-replaced")["kept"]
    tenant.json("restore", "--force")
    tenant.json("create")

    assert beside(tenant) == {kept}


def test_a_database_of_somebody_else_under_our_name_is_not_dropped(tenant: Platform) -> None:
    tenant.json("create")
    tenant.sql("CREATE DATABASE mlflow_restoring")
    tenant.sql(SCHEMA, "mlflow_restoring")

    assert "no restore created it: rename it or drop it" in refused(tenant, "--force")
    tenant.json("create")
    assert tenant.sql("SELECT count(*) FROM runs", "mlflow_restoring") == [(10,)]


def test_a_replaced_database_that_cannot_be_dropped_is_named_after_a_success(admin: Platform, tenant: Platform) -> None:
    tenant.json("create")
    admin.sql("CREATE SUBSCRIPTION s CONNECTION 'dbname=none' PUBLICATION p WITH (connect = false)", NAME)

    done = tenant.run("restore", "--force", "--json")

    assert done.returncode == 0, done.stderr
    left = json.loads(done.stdout)["left"]
    assert beside(tenant) == {left}
    assert f"database {left} is left" in done.stderr


def test_a_connection_lost_right_after_the_swap_is_a_success(
    admin: Platform, tenant: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.json("create")
    tenant.sql("DELETE FROM runs", NAME)
    original = Server._swap

    def lost(self: Server, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        admin.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'aegis restore%'")
        self.connection.execute("SELECT 1")

    monkeypatch.setattr(Server, "_swap", lost)
    done = in_process(tenant, monkeypatch)

    assert (done.database, done.left) == (NAME, None)
    assert tenant.sql("SELECT count(*) FROM runs", NAME) == [(10,)]
    assert beside(tenant) == set()


def test_a_connection_lost_before_the_swap_leaves_the_target_as_it_was(
    admin: Platform, tenant: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.json("create")
    tenant.sql("DELETE FROM runs", NAME)

    def lost(self: Server, *_: Any, **__: Any) -> None:
        admin.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'aegis restore%'")
        self.connection.execute("SELECT 1")

    monkeypatch.setattr(Server, "_swap", lost)
    with pytest.raises(WorkloadError) as failure:
        in_process(tenant, monkeypatch)

    assert failure.value.code is Exit.DATABASE
    assert tenant.sql("SELECT count(*) FROM runs", NAME) == [(0,)]
    assert beside(tenant) == set()


def test_an_owner_restores_a_database_with_an_administrators_extension(admin: Platform, tenant: Platform) -> None:
    admin.sql("CREATE SCHEMA monitoring", NAME)
    admin.sql("CREATE EXTENSION pageinspect SCHEMA monitoring", NAME)
    admin.sql("CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'", NAME)
    admin.sql("CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION watch()", NAME)
    tenant.sql("CREATE EXTENSION citext", NAME)
    tenant.sql("CREATE TABLE tags (name citext)", NAME)
    tenant.json("create", "--verify")

    done = tenant.json("restore", "--force")

    assert sorted(done["left_out"]) == ["EVENT TRIGGER watching admin", "EXTENSION pageinspect"]
    assert tenant.sql("SELECT count(*) FROM tags", NAME) == [(0,)]


def test_an_administrator_restores_an_owners_database_with_all_its_extensions(
    admin: Platform, tenant: Platform
) -> None:
    admin.sql("CREATE SCHEMA monitoring", NAME)
    admin.sql("CREATE EXTENSION pageinspect SCHEMA monitoring", NAME)
    admin.sql("CREATE EXTENSION pgstattuple", NAME)
    tenant.json("create", "--verify")

    done = admin.json("restore", "--force")

    assert done["left_out"] == []
    made = admin.sql("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1", NAME)
    assert made == [("pageinspect",), ("pgstattuple",)]
    assert tenant.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'runs'", NAME) == [("tenant",)]
