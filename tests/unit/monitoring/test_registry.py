"""The figures of MLflow's database, read from MLflow's own schema."""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from mlflow import MlflowClient

from tests.support.local_signer import LocalSigner
from tests.support.signed_version import Signed, signed_version
from tests.support.tracking_store import copy_of_database
from workloads.monitoring import registry
from workloads.monitoring.samples import Sample

if TYPE_CHECKING:
    import psycopg

Figures = dict[tuple[str, ...], float]


class Connection:
    """SQLite in place of PostgreSQL: the queries are the same, their parameters are written differently."""

    def __init__(self, file: str) -> None:
        self._database = sqlite3.connect(file)
        self.statements: list[str] = []
        # The store is a copy of one in which other tests register models.
        for table in ("registered_model_aliases", "model_version_tags", "model_versions", "registered_models"):
            self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - names from above
        self._database.commit()

    def execute(self, query: str, values: tuple[object, ...] = ()) -> Any:
        self.statements.append(query)
        if query.startswith("SET SESSION"):
            return None
        return self._database.execute(query.replace("%s", "?"), values)


class Store:
    """A store of its own, and its figures."""

    def __init__(self, address: str) -> None:
        self.client = MlflowClient(address, address)
        self.connection = Connection(address.removeprefix("sqlite:///"))

    def figures(self, *signers: LocalSigner) -> Figures:
        trusted = [signer.public_key() for signer in signers]
        samples = registry.figures(cast("psycopg.Connection", self.connection), trusted)
        return {(sample.name, *sample.labels): sample.value for sample in samples}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    return Store(copy_of_database(tmp_path))


def copied(store: Store, signed: Signed, name: str, *, signed_tags: bool = True) -> None:
    """Register a version of the signed model `name` in the store, with its tags or without."""
    store.client.create_registered_model(name)
    tags = signed.tags if signed_tags else {}
    version = store.client.create_model_version(name, source="file:///none", run_id=signed_run(signed), tags=tags)
    store.client.set_registered_model_alias(name, "champion", version.version)


def signed_run(signed: Signed) -> str | None:
    return signed.client.get_model_version(signed.name, signed.number).run_id


def test_the_session_may_only_read(store: Store) -> None:
    store.figures()
    assert store.connection.statements[0] == "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"


def test_runs_and_experiments_count_unless_they_are_deleted(store: Store) -> None:
    before = store.figures()
    kept, deleted = (store.client.create_experiment(name) for name in ("kept", "deleted"))
    runs = [store.client.create_run(kept).info.run_id for _ in range(3)]
    store.client.set_terminated(runs[0], "FAILED")
    store.client.delete_run(runs[1])
    store.client.delete_experiment(deleted)
    found = store.figures()
    assert found["aegis_experiments",] == before["aegis_experiments",] + 1
    assert (found["aegis_runs", "FAILED"], found["aegis_runs", "RUNNING"]) == (1, 1)
    assert found["aegis_experiment_runs", "kept"] == 2


def test_only_the_largest_experiments_are_told_by_name(store: Store) -> None:
    for index in range(22):
        experiment = store.client.create_experiment(f"e{index:02}")
        for _ in range(2 if index else 1):
            store.client.create_run(experiment)
    found = {key[1]: value for key, value in store.figures().items() if key[0] == "aegis_experiment_runs"}
    assert len(found) == 21
    # The last of those with two runs, and the one with a single run.
    assert found["other"] == 3
    assert "e00" not in found


def test_a_version_under_an_alias_counts_as_signed_if_a_trusted_key_signed_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = signed_version(tmp_path)
    copied(store, signed, signed.name)
    assert store.figures(signed.signer)["aegis_alias_versions", "champion", "true"] == 1
    assert store.figures(LocalSigner())["aegis_alias_versions", "champion", "false"] == 1
    assert store.figures()["aegis_alias_versions", "champion", "false"] == 1


def test_the_evidence_of_another_model_signs_nothing(store: Store, tmp_path: Path) -> None:
    signed = signed_version(tmp_path)
    copied(store, signed, "other")
    copied(store, signed, "plain", signed_tags=False)
    found = store.figures(signed.signer)
    assert found["aegis_alias_versions", "champion", "false"] == 2
    # Here only the claim counts.
    assert (found["aegis_model_versions", "true"], found["aegis_model_versions", "false"]) == (1, 1)
    assert found["aegis_registered_models",] == 2


def test_a_deleted_version_counts_no_more(store: Store, tmp_path: Path) -> None:
    signed = signed_version(tmp_path)
    copied(store, signed, signed.name)
    store.client.delete_model_version(signed.name, "1")
    found = store.figures(signed.signer)
    assert (found["aegis_model_versions", "true"], found["aegis_model_versions", "false"]) == (0, 0)
    assert not [key for key in found if key[0] == "aegis_alias_versions"]


@pytest.mark.parametrize(("name", "labels"), [("aegis_runs", ()), ("aegis_experiments", ("a",)), ("aegis_walks", ())])
def test_a_figure_that_is_not_known_is_refused(name: str, labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=f"{name} isn't a figure with {len(labels)} labels"):
        Sample(name=name, value=1, labels=labels)
