"""Invalid URIs of the database: one line, a specific exit code, and no password."""

import sqlite3
import traceback
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import Env, Exit
from workloads import cli, retry
from workloads.migration import upgrade

SECRET = "Wq8-sEcReT-7Zk2"
USAGE_OR_DATABASE = {int(Exit.USAGE), int(Exit.DATABASE)}

part = st.text(st.sampled_from("/:@?#[]%=&x1é\n"), max_size=4)
uris = st.one_of(
    st.builds(
        lambda before, after, rest: f"postgresql+psycopg://u:{before}{SECRET}{after}@host{rest}", part, part, part
    ),
    st.builds(lambda scheme, rest: scheme + rest, st.sampled_from(["postgresql://", "mysql://", "x", ""]), part),
)


@pytest.fixture(autouse=True)
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(psycopg, "connect", refuse)
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)


def outcome(uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    monkeypatch.setenv(Env.BACKEND_STORE_URI, uri)
    try:
        cli.run(upgrade.main, [])
    except SystemExit as stop:
        code = int(stop.code or 0)
    except Exception:  # noqa: BLE001 - any exception would be a traceback for the user
        pytest.fail(traceback.format_exc())
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    return code, printed.err.splitlines()[-1]


@given(uris)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_uri_breaks_the_migration_or_shows_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], uri: str
) -> None:
    code, line = outcome(uri, monkeypatch, capsys)

    assert code in USAGE_OR_DATABASE
    assert line.startswith("error: ")


@pytest.mark.parametrize(
    "uri",
    [
        f"postgresql+psycopg://u@127.0.0.1:1/db?password={SECRET}",
        f"postgresql+psycopg://u:{SECRET}\n@127.0.0.1:1/db",
        f"postgresql+psycopg://u:{SECRET}@127.0.0.1:1/db?unknown={SECRET}",
        f"postgresql+psycopg://u:x@{SECRET}@127.0.0.1:1/db",
        f"postgresql+psycopg://u:{SECRET}@[::1",
    ],
)
def test_a_password_is_never_shown_whatever_its_place_in_the_uri(
    uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = outcome(uri, monkeypatch, capsys)

    assert code in USAGE_OR_DATABASE


def test_a_database_that_alembic_cannot_read_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two_heads, no_database = tmp_path / "two.db", tmp_path / "no.db"
    with sqlite3.connect(two_heads) as connection:
        connection.executescript(
            "CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES (1), (2)"
        )
    no_database.write_bytes(b"text" * 1000)

    for file in (two_heads, no_database):
        code, line = outcome(f"sqlite:///{file}", monkeypatch, capsys)
        assert code in USAGE_OR_DATABASE
        assert line.startswith("error: The ")
