"""Backups of a real MLflow schema in a real PostgreSQL server, to the platform's own S3 server."""

import json
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from contracts import Exit
from tests.platform import backup_servers
from tests.platform.backup_platform import Platform, contents, fill
from workloads.backup.upload import PART_SIZE

BUCKET = "mlflow-backups"
ALLOWED_MEMORY_MB = 200


@pytest.fixture(scope="module")
def servers() -> Iterator[Platform]:
    with backup_servers.postgres() as postgres, backup_servers.object_store() as store:
        platform = Platform(variables=postgres | store | {"AEGIS_BACKUPS_BUCKET": BUCKET})
        platform.store().create_bucket(Bucket=BUCKET)
        platform.sql("CREATE DATABASE filled")
        fill(platform.mlflow("filled"))
        # Nothing may hold a template: MLflow keeps its connections for itself.
        platform.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'filled'")
        yield platform


@pytest.fixture
def platform(servers: Platform, request: pytest.FixtureRequest) -> Iterator[Platform]:
    """Create a filled MLflow database and an empty bucket for each test."""
    yield from copy(servers, "filled", request.node.name)


@pytest.fixture(scope="module")
def large_template(servers: Platform) -> Iterator[str]:
    """Create a database whose dump is uploaded in several parts: its content can't be compressed."""
    servers.sql("CREATE DATABASE large TEMPLATE filled")
    servers.sql("CREATE TABLE large AS SELECT sha512(n::text::bytea) FROM generate_series(1, 1600000) n", "large")
    yield "large"
    servers.sql("DROP DATABASE large")


@pytest.fixture
def large(servers: Platform, large_template: str, request: pytest.FixtureRequest) -> Iterator[Platform]:
    """Create a large database and an empty bucket for each test."""
    yield from copy(servers, large_template, request.node.name)


def copy(servers: Platform, template: str, test: str) -> Iterator[Platform]:
    name = f"db_{zlib.crc32(test.encode())}"
    servers.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield Platform(variables=servers.variables | {"PGDATABASE": name})
    for database in servers.databases():
        if database.startswith(name):
            servers.sql(f"DROP DATABASE {database} WITH (FORCE)")
    client = servers.store()
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])


def test_everything_is_back_after_the_database_was_dropped(platform: Platform) -> None:
    name = platform.variables["PGDATABASE"]
    before = contents(platform.mlflow(name))
    made = platform.json("create", "--verify", "--retention-days", "30")
    platform.sql(f"DROP DATABASE {name} WITH (FORCE)")

    refused = platform.run("create")
    assert refused.returncode == Exit.DATABASE
    assert "does not exist" in refused.stderr

    restored = platform.json("restore")

    after = contents(platform.mlflow(name))
    assert after == before
    assert len(after["runs"]) == 6
    assert len(after["versions"]) == 6
    assert restored["id"] == made["backup"]["id"]
    assert restored["rows"] == sum(made["backup"]["rows"].values())
    assert platform.databases() >= {name}
    assert not [one for one in platform.databases() if one.startswith(f"{name}_")]


def test_mlflow_goes_on_after_a_forced_restore_while_it_was_connected(platform: Platform) -> None:
    name = platform.variables["PGDATABASE"]
    client = platform.mlflow(name)
    before = contents(client)
    platform.json("create")
    client.delete_run(client.search_runs(["1"])[0].info.run_id)
    client.delete_registered_model("digits")

    refused = platform.run("restore")
    assert refused.returncode == Exit.USAGE
    assert "--force replaces it" in refused.stderr
    assert client.search_registered_models() == []

    kept = platform.json("restore", "--force", "--keep-replaced")["kept"]

    assert contents(platform.mlflow(name)) == before
    assert platform.sql("SELECT count(*) FROM registered_models", kept) == [(0,)]


def test_a_forced_restore_wins_against_clients_that_reconnect_at_once(platform: Platform) -> None:
    name = platform.variables["PGDATABASE"]
    dsn = backup_servers.dsn(platform.variables)
    platform.json("create")
    platform.sql("DELETE FROM params", name)
    done = threading.Event()

    def reconnect() -> None:
        while not done.is_set():
            with suppress(psycopg.OperationalError), psycopg.connect(dsn) as connection:
                while not done.wait(0.02):
                    connection.execute("SELECT count(*) FROM params")

    with ThreadPoolExecutor() as clients:
        for _ in range(2):
            clients.submit(reconnect)
        try:
            platform.json("restore", "--force")
        finally:
            done.set()

    assert platform.sql("SELECT count(*) FROM params", name) == [(6,)]


def test_rows_written_during_the_dump_are_not_in_the_manifest_either(platform: Platform) -> None:
    name = platform.variables["PGDATABASE"]
    writer = platform.mlflow(name)
    process = platform.start("create", "--verify", "--json")
    while process.poll() is None:
        writer.create_run("1")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    rows = json.loads(output)["backup"]["rows"]

    restored = platform.json("restore", PGDATABASE=f"{name}_drill")

    assert restored["rows"] == sum(rows.values())


def test_an_empty_database_is_filled_and_belongs_to_its_owner(platform: Platform) -> None:
    platform.json("create")
    drill = f"{platform.variables['PGDATABASE']}_drill"
    platform.sql("DO $$ BEGIN CREATE ROLE tenant LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    platform.sql(f"CREATE DATABASE {drill} OWNER tenant")

    platform.json("restore", PGDATABASE=drill)

    owners = platform.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'", drill)
    assert owners == [("tenant",)]


def test_an_empty_database_that_is_in_use_is_left_alone(platform: Platform) -> None:
    platform.json("create")
    drill = f"{platform.variables['PGDATABASE']}_drill"
    platform.sql(f"CREATE DATABASE {drill}")
    dsn = backup_servers.dsn(platform.variables | {"PGDATABASE": drill})

    with psycopg.connect(dsn, application_name="someone"):
        refused = platform.run("restore", PGDATABASE=drill)

    assert refused.returncode == Exit.USAGE
    assert "in use by someone from 127.0.0.1" in refused.stderr


@pytest.mark.parametrize("damage", ["changed byte", "truncated", "other revision", "other rows"])
def test_a_damaged_backup_is_never_restored(platform: Platform, damage: str) -> None:
    name = platform.variables["PGDATABASE"]
    before = contents(platform.mlflow(name))
    made = platform.json("create", "--verify")["backup"]
    client = platform.store()
    folder = f"mlflow/{made['id']}"
    if damage in ("changed byte", "truncated"):
        key = f"{folder}/database.dump"
        dump = bytearray(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        dump[len(dump) // 2] ^= 1
        client.put_object(Bucket=BUCKET, Key=key, Body=bytes(dump[:-1] if damage == "truncated" else dump))
    else:
        lie = (
            {"schema_revision": "deadbeef"} if damage == "other revision" else {"rows": made["rows"] | {"public.x": 1}}
        )
        client.put_object(Bucket=BUCKET, Key=f"{folder}/manifest.json", Body=json.dumps(made | lie).encode())

    refused = platform.run("restore", "--force")

    assert refused.returncode == Exit.NOT_VERIFIED, refused.stderr
    assert contents(platform.mlflow(name)) == before
    assert not [one for one in platform.databases() if one.startswith(f"{name}_")]


def test_a_backup_that_is_told_to_stop_leaves_nothing_behind(large: Platform) -> None:
    process = large.start("create")
    wait_for_dump(large)
    process.terminate()
    process.communicate(timeout=60)

    assert process.returncode == Exit.INTERRUPTED
    assert large.store().list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    assert large.json("list", "--all") == []


def test_pg_dump_ended_by_the_server_leaves_no_backup(large: Platform) -> None:
    process = large.start("create")
    wait_for_dump(large)
    large.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_dump'")
    _, errors = process.communicate(timeout=60)

    assert process.returncode == Exit.DATABASE
    assert "pg_dump failed (exit code 1)" in errors
    assert large.json("list", "--all") == []


def wait_for_dump(platform: Platform) -> None:
    dumping = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pg_dump' AND query ~ '^COPY .*large'"
    deadline = time.monotonic() + 60
    while not platform.sql(dumping):
        assert time.monotonic() < deadline, "pg_dump never came to the large table"


def test_pruning_leaves_an_upload_that_is_going_on(platform: Platform) -> None:
    client = platform.store()
    upload = client.create_multipart_upload(Bucket=BUCKET, Key="mlflow/20200101T000000Z-00000000/database.dump")

    platform.json("prune")

    (left,) = client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert left["UploadId"] == upload["UploadId"]
    client.abort_multipart_upload(Bucket=BUCKET, Key=left["Key"], UploadId=left["UploadId"])


def test_a_wrong_password_is_one_line_that_does_not_show_it(platform: Platform) -> None:
    refused = platform.run("create", PGPASSWORD="wrong-password")

    assert refused.returncode == Exit.DATABASE
    assert "password authentication failed" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert "wrong-password" not in refused.stderr


def test_a_denied_object_store_is_one_line(platform: Platform) -> None:
    refused = platform.run("list", AWS_SECRET_ACCESS_KEY="wrong")

    assert refused.returncode == Exit.OBJECT_STORE
    assert len(refused.stderr.splitlines()) == 1
    assert "SignatureDoesNotMatch" in refused.stderr


def test_a_restore_by_a_role_that_may_not_create_databases_says_what_it_needs(platform: Platform) -> None:
    platform.json("create")
    platform.sql("DO $$ BEGIN CREATE ROLE lowly LOGIN PASSWORD 'lowly'; EXCEPTION WHEN duplicate_object THEN END $$")

    refused = platform.run("restore", PGDATABASE="new", PGUSER="lowly", PGPASSWORD="lowly")

    assert refused.returncode == Exit.DATABASE
    assert "Grant it CREATEDB" in refused.stderr


def test_a_large_database_is_backed_up_and_verified_in_constant_memory(large: Platform) -> None:

    process = large.start("create", "--verify", "--json")
    peak = 0
    while process.poll() is None:
        peak = max(peak, peak_memory(process.pid))
        time.sleep(0.05)
    output, errors = process.communicate()

    assert process.returncode == 0, errors
    assert json.loads(output)["backup"]["size"] > 3 * PART_SIZE
    assert 0 < peak < ALLOWED_MEMORY_MB * 1024


def peak_memory(pid: int) -> int:
    """Return the most memory that a running process ever had, in kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
