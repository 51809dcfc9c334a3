"""Any arguments, environment variables and objects lead each backup command to one line and an exit code."""

import json
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import boto3
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from contracts import Exit
from tests.unit.backup.conftest import BUCKET, SNAPSHOT
from workloads import cli, retry
from workloads.backup import create, database, layout, prune, restore, verify
from workloads.backup import list as list_command
from workloads.backup.database import Snapshot
from workloads.backup.manifest import Manifest
from workloads.database.address import Address

COMMANDS = (create, list_command, verify, restore, prune)
SECRET = "Wq8-sEcReT-7Zk2"
CODES = {int(code) for code in Exit}
SLOW_MACHINE = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

# No NUL: neither an argument nor a variable can hold one. A lone surrogate is a byte that isn't UTF-8.
text = st.text(st.characters(codec=None, exclude_characters="\0"), max_size=30)
secret = st.sampled_from([SECRET, f"{SECRET}\n", f" {SECRET}", f"{SECRET}\r\n", f"a{SECRET}\x7f", f"{SECRET}é"])
option = st.sampled_from(
    ["--verify", "--all", "--json", "--force", "--keep-replaced", "--dry-run", "latest", "20261121T020000Z-0123abcd",
     "--retention-days=1", "--retention-days=0", "--prefix=/", "--owner=", "--maintenance-database=x", "-h"]
)  # fmt: skip
valued = st.builds(
    lambda name, value: f"{name}={value}",
    st.sampled_from(["--prefix", "--retention-days", "--owner", "--maintenance-database"]),
    text,
)
variables = st.fixed_dictionaries(
    {},
    optional={
        "PGHOST": text,
        "PGPORT": text | st.integers().map(str),
        "PGUSER": text,
        "PGDATABASE": text,
        "PGPASSWORD": secret,
        "PGSSLMODE": text,
        "AEGIS_DATABASE_AUTH": st.sampled_from(["iam", "password", "x"]) | text,
        "AEGIS_BACKUPS_BUCKET": text | st.just(BUCKET),
        "AWS_ACCESS_KEY_ID": secret,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": secret,
        "AWS_DEFAULT_REGION": text | st.just("us-east-1"),
        "AWS_ENDPOINT_URL_S3": text | st.sampled_from([f"http://u:{SECRET}@[::1", f"http://u:{SECRET}\n@h", "http://"]),
        "AEGIS_LOG_LEVEL": text | st.just("DEBUG"),
    },
)


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every connection to a database fail at once."""

    def refuse(**_: object) -> None:
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(psycopg, "connect", refuse)
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@contextmanager
def environment(changes: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    boto3.DEFAULT_SESSION = None
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def outcome(command: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a command as its process would, and return its exit code and its last line on stderr."""
    capsys.readouterr()
    try:
        cli.run(command.main, arguments)
    except SystemExit as stop:
        code = stop.code or 0
    except Exception:  # noqa: BLE001 - the command's user would see a traceback of any error
        pytest.fail(traceback.format_exc())
    said = capsys.readouterr()
    assert code in CODES
    assert SECRET not in said.out + said.err
    lines = said.err.splitlines()
    assert not code or any("error: " in line for line in lines)
    return int(code), lines[-1] if lines else ""


@given(st.sampled_from(COMMANDS), st.lists(option | valued | text, max_size=3))
@SLOW_MACHINE
def test_no_argument_breaks_a_command(
    unreachable: None, address: Address, client: Any, capsys: pytest.CaptureFixture[str], command: Any, arguments: Any
) -> None:
    outcome(command, arguments, capsys)


@given(st.sampled_from(COMMANDS), variables)
@SLOW_MACHINE
def test_no_variable_breaks_a_command_or_shows_a_credential(
    unreachable: None, address: Address, client: Any, capsys: pytest.CaptureFixture[str], command: Any, changes: Any
) -> None:
    with environment(changes):
        outcome(command, [], capsys)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"])
def test_a_key_with_a_line_break_inside_is_refused_by_its_name(
    address: Address, client: Any, capsys: pytest.CaptureFixture[str], command: Any, name: str
) -> None:
    with environment({name: f"{SECRET}\n{SECRET}"}):
        code, line = outcome(command, [], capsys)

    assert code == Exit.USAGE
    assert name in line


@pytest.mark.parametrize("command", [create, restore])
def test_a_password_with_a_line_break_is_refused_by_its_name(
    address: Address, client: Any, capsys: pytest.CaptureFixture[str], command: Any
) -> None:
    with environment({"PGPASSWORD": f"{SECRET}\n"}):
        code, line = outcome(command, [], capsys)

    assert code == Exit.USAGE
    assert "PGPASSWORD contains a line break" in line


def test_an_address_with_a_password_in_it_is_not_shown(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with environment({"AWS_ENDPOINT_URL_S3": f"http://user:{SECRET}@127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}):
        code, line = outcome(list_command, [], capsys)

    assert code == Exit.OBJECT_STORE
    assert "127.0.0.1:1" in line


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
damaged = st.one_of(
    st.binary(max_size=40),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"[" * 100_000, b'{"format": 1e999}', b'{"format": ' + b"9" * 5000 + b"}", b'"\\ud800"']),
)


@given(
    st.sampled_from([list_command, verify, prune, restore]),
    st.dictionaries(st.sampled_from(list(Manifest.__slots__)), json_values, min_size=1, max_size=2),
    st.dictionaries(
        st.sampled_from([layout.DUMP, layout.MANIFEST, layout.VERIFIED, layout.FAILED, "note"]), damaged, max_size=2
    ),
)
@SLOW_MACHINE
def test_no_object_breaks_a_command(
    unreachable: None,
    make: Callable[[int], Manifest],
    client: Any,
    capsys: pytest.CaptureFixture[str],
    command: Any,
    fields: Any,
    objects: Any,
) -> None:
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].reset()
    client.create_bucket(Bucket=BUCKET)
    good = make(40)
    folder = f"mlflow/{make(1).id}"
    changed = json.loads(good.to_json()) | {"id": folder.removeprefix("mlflow/")} | fields
    for name, body in {layout.MANIFEST: json.dumps(changed).encode(), **objects}.items():
        client.put_object(Bucket=BUCKET, Key=f"{folder}/{name}", Body=body)

    outcome(command, [], capsys)

    outcome(prune, ["--retention-days=30"], capsys)
    kept = client.list_objects_v2(Bucket=BUCKET, Prefix="mlflow/")["Contents"]
    changed_one_is_sound = outcome(verify, [folder.removeprefix("mlflow/")], capsys)[0] == Exit.OK
    assert changed_one_is_sound or any(good.id in entry["Key"] for entry in kept)


@given(
    st.builds(dict, schema_revision=st.none() | text, server_version=text, rows=st.dictionaries(text, st.integers(0)))
)
@SLOW_MACHINE
def test_nothing_that_a_database_says_breaks_a_backup(
    unreachable: None,
    address: Address,
    programs: Any,
    client: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    said: Any,
) -> None:
    @contextmanager
    def snapshot(_: Address) -> Iterator[Snapshot]:
        yield Snapshot(id=SNAPSHOT.id, **said)

    monkeypatch.setattr(database, "snapshot", snapshot)
    outcome(create, ["--verify"], capsys)
