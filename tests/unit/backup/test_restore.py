"""What the restore command tells its caller to do next."""

from types import SimpleNamespace

import pytest

from workloads.backup import options, restoration, restore
from workloads.backup.restoration import Restored
from workloads.database.address import Address


@pytest.fixture
def restoring(monkeypatch: pytest.MonkeyPatch, address: Address) -> None:
    """A store whose latest backup is restored into the database of the environment variables."""

    def restored(_store: object, backup: str, into: Address, _how: object) -> Restored:
        return Restored(
            id=backup,
            database=into.name,
            tables=2,
            rows=3,
            schema_revision="abc123",
            kept=None,
            left=None,
            left_out=(),
            seconds=0.1,
        )

    found = SimpleNamespace(find=lambda _backup: SimpleNamespace(id="20261121T020000Z-1a2b3c4d"))
    monkeypatch.setattr(options, "open_store", lambda _args: found)
    monkeypatch.setattr(restoration, "restore", restored)


def test_a_restore_of_mlflow_s_database_says_how_to_migrate_it_and_then_to_restart_mlflow(
    restoring: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGDATABASE", "mlflow")
    assert restore.main([]) == 0
    said = capsys.readouterr().err
    assert said.index("pulumi up --refresh") < said.index("rollout restart deployment/mlflow")


def test_a_drill_says_nothing_about_mlflow(
    restoring: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGDATABASE", "drill")
    assert restore.main([]) == 0
    assert capsys.readouterr().err == ""
