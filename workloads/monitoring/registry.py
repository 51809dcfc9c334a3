"""The figures in MLflow's database. The session may only read.

The tables are those of MLflow's own schema (mlflow/store/db_migrations).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg

from aegis import evidence
from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from workloads.monitoring.samples import Sample

# The experiments that are told one by one. More would make too many series.
_MOST_EXPERIMENTS: Final = 20
_OTHERS: Final = "other"
_READ_ONLY: Final = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
_MANIFESTS: Final = f"{evidence.MANIFEST}%"
# A model version that was deleted stays for a while, with this stage.
_DELETED: Final = "Deleted_Internal"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Version:
    name: str
    version: int
    run_id: str | None
    tags: dict[str, str]


def server(connection: psycopg.Connection) -> Iterator[Sample]:
    """Yield the figures of the server, which every user may read."""
    connection.execute(_READ_ONLY)
    [[sessions]] = _rows(connection, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    yield Sample(name="aegis_database_connections", value=sessions)


def figures(connection: psycopg.Connection, trusted: Sequence[PublicKey]) -> Iterator[Sample]:
    """Yield the figures of experiments, runs and models; `trusted` keys verify the versions under an alias."""
    connection.execute(_READ_ONLY)
    yield from _runs(connection)
    yield from _versions(connection)
    yield from _aliases(connection, trusted)


def _runs(connection: psycopg.Connection) -> Iterator[Sample]:
    [[experiments]] = _rows(connection, "SELECT count(*) FROM experiments WHERE lifecycle_stage = 'active'")
    yield Sample(name="aegis_experiments", value=experiments)
    for status, count in _rows(
        connection, "SELECT status, count(*) FROM runs WHERE lifecycle_stage = 'active' GROUP BY status"
    ):
        yield Sample(name="aegis_runs", value=count, labels=(str(status),))
    by_experiment = _rows(
        connection,
        "SELECT e.name, count(*) FROM runs r JOIN experiments e USING (experiment_id)"
        " WHERE r.lifecycle_stage = 'active' GROUP BY e.experiment_id, e.name ORDER BY 2 DESC, 1",
    )
    # Two workspaces may have experiments of one name.
    largest: dict[str, int] = {}
    for index, (name, count) in enumerate(by_experiment):
        label = str(name) if index < _MOST_EXPERIMENTS else _OTHERS
        largest[label] = largest.get(label, 0) + count
    for label, count in largest.items():
        yield Sample(name="aegis_experiment_runs", value=count, labels=(label,))


def _versions(connection: psycopg.Connection) -> Iterator[Sample]:
    [[models]] = _rows(connection, "SELECT count(*) FROM registered_models")
    yield Sample(name="aegis_registered_models", value=models)
    [[versions]] = _rows(
        connection, "SELECT count(*) FROM model_versions WHERE current_stage IS DISTINCT FROM %s", _DELETED
    )
    [[signed]] = _rows(
        connection,
        "SELECT count(*) FROM (SELECT t.name, t.version FROM model_version_tags t JOIN model_versions v"
        " USING (name, version) WHERE t.key IN (%s, %s) AND v.current_stage IS DISTINCT FROM %s"
        " GROUP BY t.name, t.version HAVING count(DISTINCT t.key) = 2) AS both_tags",
        evidence.MANIFEST,
        evidence.SIGNATURE,
        _DELETED,
    )
    yield Sample(name="aegis_model_versions", value=signed, labels=("true",))
    yield Sample(name="aegis_model_versions", value=versions - signed, labels=("false",))


def _aliases(connection: psycopg.Connection, trusted: Sequence[PublicKey]) -> Iterator[Sample]:
    named = _rows(
        connection,
        "SELECT a.alias, v.name, v.version, v.run_id FROM registered_model_aliases a"
        " JOIN model_versions v USING (name, version) WHERE v.current_stage IS DISTINCT FROM %s",
        _DELETED,
    )
    counts: dict[tuple[str, str], int] = {}
    for alias, name, version, run_id in named:
        tags = dict(
            _rows(
                connection,
                "SELECT key, value FROM model_version_tags WHERE name = %s AND version = %s AND key LIKE %s",
                name,
                version,
                _MANIFESTS,
            )
        )
        good = _verifies(_Version(name=name, version=version, run_id=run_id, tags=tags), trusted)
        label = (str(alias), str(good).lower())
        counts[label] = counts.get(label, 0) + 1
    for label, count in counts.items():
        yield Sample(name="aegis_alias_versions", value=count, labels=label)


def _verifies(version: _Version, trusted: Sequence[PublicKey]) -> bool:
    try:
        evidence.check(version, trusted)
    except NotVerifiedError:
        return False
    return True


def _rows(connection: psycopg.Connection, query: LiteralString, *values: object) -> list[tuple]:
    return connection.execute(query, values).fetchall()
