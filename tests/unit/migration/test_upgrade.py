"""The schema upgrade on SQLite files; PostgreSQL's lock is tested with a real server in tests/platform."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from contracts import Env, Exit
from workloads.cli import WorkloadError
from workloads.migration import schema, upgrade
from workloads.migration.upgrade import Outcome


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a database at the head revision of the installed MLflow."""
    path = tmp_path_factory.mktemp("migration") / "mlflow.db"
    outcome = upgrade.upgrade(uri(path), 10)
    assert outcome == Outcome(before=None, after=head())
    return path


@pytest.fixture
def database(upgraded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(upgraded, tmp_path / "mlflow.db"))


def uri(path: Path) -> str:
    return f"sqlite:///{path}"


def head() -> str:
    revision = schema.scripts().get_current_head()
    assert revision is not None
    return revision


def set_revision(path: Path, revision: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_an_upgraded_database_is_left_alone(database: Path) -> None:
    before = database.read_bytes()
    outcome = upgrade.upgrade(uri(database), 10)
    assert outcome.before == outcome.after == head()
    assert not outcome.changed
    assert database.read_bytes() == before


def test_a_schema_of_a_newer_mlflow_is_refused_with_its_revision(database: Path) -> None:
    set_revision(database, "f00df00df00d")
    with pytest.raises(WorkloadError, match="f00df00df00d, which this MLflow doesn't know") as refused:
        upgrade.upgrade(uri(database), 10)
    assert refused.value.code == Exit.DATABASE


def test_a_migration_that_ends_at_another_revision_is_an_error(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = schema.scripts().get_revision("head").down_revision
    assert isinstance(older, str)
    set_revision(database, older)
    monkeypatch.setattr(upgrade.db.upgrade, "callback", lambda uri: None)
    with pytest.raises(WorkloadError, match=f"at {older} after the migration, but MLflow needs {head()}"):
        upgrade.upgrade(uri(database), 10)


def test_the_command_prints_the_outcome_as_json(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(Env.BACKEND_STORE_URI, uri(database))
    assert upgrade.main(["--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out) == {"before": head(), "after": head(), "changed": False}


def test_a_missing_uri_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(Env.BACKEND_STORE_URI, raising=False)
    with pytest.raises(WorkloadError, match="MLFLOW_BACKEND_STORE_URI is not set") as refused:
        upgrade.main([])
    assert refused.value.code == Exit.USAGE


@pytest.mark.parametrize("bad", ["not a uri with pass-word", "oracle+nothing://mlflow:pass-word@db/mlflow"])
def test_an_invalid_uri_is_refused_without_its_password(bad: str) -> None:
    with pytest.raises(WorkloadError) as refused:
        upgrade.upgrade(bad, 10)
    assert refused.value.code == Exit.USAGE
    assert "pass-word" not in str(refused.value)


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "1.5"])
def test_a_bad_time_limit_is_refused_with_the_allowed_range(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        upgrade.main(["--lock-timeout", seconds])
    assert refused.value.code == Exit.USAGE
    assert "must be a whole number of seconds from 1 to 999999" in capsys.readouterr().err


def test_a_dead_database_is_reported_in_one_line_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    with pytest.raises(WorkloadError) as refused:
        upgrade.upgrade("postgresql+psycopg://mlflow:pass-word@127.0.0.1:1/mlflow", 10)
    assert refused.value.code == Exit.DATABASE
    assert "does not answer after 5 attempts" in str(refused.value)
    assert "pass-word" not in str(refused.value)
    assert "\n" not in str(refused.value)
