"""The choice of the store: the gate where the stack guards something, else MLflow's own."""

import configparser
from importlib import import_module
from pathlib import Path

import pytest
from mlflow.server import handlers
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore

from contracts import Env
from tests.support.gated_server import ENTRY_POINTS, GatedServer
from tests.support.tracking_store import database
from workloads.tracking import lifecycle
from workloads.tracking.gate.guards import Guards
from workloads.tracking.gate.plugin import registry_store
from workloads.tracking.gate.store import GatedStore, GatedWorkspaceStore


@pytest.mark.parametrize(
    ("aliases", "stages", "workspaces", "expected"),
    [
        ("", "", False, SqlAlchemyStore),
        (" , ", "", False, SqlAlchemyStore),
        ("", "", True, WorkspaceAwareSqlAlchemyStore),
        ("champion", "", False, GatedStore),
        ("", "Production", False, GatedStore),
        ("champion", "", True, GatedWorkspaceStore),
    ],
)
def test_the_store_has_the_gate_where_something_is_guarded(
    monkeypatch: pytest.MonkeyPatch, aliases: str, stages: str, workspaces: bool, expected: type
) -> None:
    monkeypatch.setenv(Env.GUARDED_ALIASES, aliases)
    monkeypatch.setenv(Env.GUARDED_STAGES, stages)
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", str(workspaces).lower())
    assert type(registry_store(database())) is expected


def test_both_databases_have_the_entry_point() -> None:
    points = configparser.ConfigParser()
    points.read(ENTRY_POINTS / "aegis.dist-info" / "entry_points.txt")
    section = points["mlflow.model_registry_store"]
    assert set(section) == {"postgresql", "sqlite"}
    for value in section.values():
        module, _, name = value.partition(":")
        assert getattr(import_module(module), name) is registry_store


def test_guards_compare_without_case() -> None:
    guards = Guards(aliases=frozenset({"champion"}), stages=frozenset({"production"}))
    assert all(guards.alias(name) for name in ("champion", "CHAMPION", "champion\n"))
    assert not any(guards.alias(name) for name in ("champion2", "", "champ"))
    assert guards.stage("PRODUCTION")
    assert not guards.stage("Archived")


def test_a_server_without_its_gate_never_gets_ready(server: GatedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow goes on without a plugin that it can't load."""
    lifecycle.open_stores()
    monkeypatch.setattr(handlers, "_model_registry_store", SqlAlchemyStore(database()))
    with pytest.raises(RuntimeError, match="has no gate"):
        lifecycle.open_stores()


def test_a_client_s_process_imports_nothing_heavy() -> None:
    source = (Path(__file__).parents[4] / "workloads/tracking/gate/plugin.py").read_text()
    assert "import mlflow" not in source
    assert "from sqlalchemy" not in source
