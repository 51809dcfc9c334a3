"""The dashboards are complete, in Grafana's schema, and ask only for metrics that the platform has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard

from infra.capabilities.monitoring import dashboards
from infra.capabilities.monitoring.dashboards import __main__ as command
from infra.capabilities.monitoring.dashboards.panel import Unit

DASHBOARDS: dict[str, Any] = {name: json.loads(text) for name, text in dashboards.by_name().items()}
PANELS = [(name, panel) for name, dashboard in DASHBOARDS.items() for panel in dashboard["panels"]]
QUERIES = [(f"{name}: {panel['title']}", target["expr"]) for name, panel in PANELS for target in panel["targets"]]
# What the server, the exporter, PostgreSQL's exporter, kube-state-metrics and Vault tell.
METRICS = {
    "aegis_http_requests_total": {"method", "route", "status"},
    "aegis_http_request_duration_seconds_bucket": {"method", "route", "le"},
    "aegis_http_request_bytes_total": {"route"},
    "aegis_http_response_bytes_total": {"route"},
    "aegis_http_requests_in_progress": set(),
    "aegis_database_pool_connections": {"state"},
    "aegis_database_seconds_sum": {"operation"},
    "aegis_database_seconds_count": {"operation"},
    "aegis_backup_newest_timestamp_seconds": set(),
    "aegis_backup_newest_verified_timestamp_seconds": set(),
    "aegis_model_versions": {"signed"},
    "aegis_alias_versions": {"alias", "signed"},
    "aegis_registered_models": set(),
    "aegis_experiments": set(),
    "aegis_runs": {"status"},
    "aegis_experiment_runs": {"experiment"},
    "aegis_artifact_bytes": set(),
    "aegis_exporter_last_success_timestamp_seconds": {"part"},
    "pg_up": set(),
    "pg_database_size_bytes": {"datname"},
    "pg_locks_count": {"datname", "mode"},
    "pg_settings_max_connections": set(),
    "pg_stat_activity_count": {"datname", "state"},
    "pg_stat_activity_max_tx_duration": {"datname", "state"},
    **{
        f"pg_stat_database_{name}": {"datname"}
        for name in ("blks_hit", "blks_read", "deadlocks", "numbackends", "xact_commit", "xact_rollback")
    },
    **{f"pg_stat_database_tup_{name}": {"datname"} for name in ("deleted", "fetched", "inserted", "updated")},
    "kube_deployment_status_replicas_available": {"namespace", "deployment"},
    "kube_horizontalpodautoscaler_status_current_replicas": {"namespace", "horizontalpodautoscaler"},
    "kube_horizontalpodautoscaler_spec_max_replicas": {"namespace", "horizontalpodautoscaler"},
    "kube_pod_container_status_restarts_total": {"namespace", "pod", "container"},
    "vault_core_unsealed": set(),
}
# The selectors of rates and durations of requests; probes never write.
REQUESTS = re.compile(r"aegis_http_request(?:s_total|_duration_seconds_\w+)(\{[^}]*\})?")
NO_PROBES, WRITES = 'route!~"/health|/ready|/version"', 'method!~"GET|HEAD"'
METRIC = re.compile(r"\b(?:aegis|pg|kube|vault)_\w+")


def labels_in(text: str) -> set[str]:
    """Return the labels by which an expression selects or groups, and those that a legend shows."""
    selected = re.findall(r"(\w+)(?:=|!=|=~|!~)\"", text)
    grouped = [label.strip() for group in re.findall(r"\bby \(([^)]*)\)", text) for label in group.split(",")]
    return {*selected, *grouped, *re.findall(r"\{\{(\w+)\}\}", text)}


def test_there_is_one_for_each_subject() -> None:
    assert set(DASHBOARDS) == {
        "aegis-server",
        "aegis-database",
        "aegis-experiments",
        "aegis-registry",
    }


@pytest.mark.parametrize("name", DASHBOARDS)
def test_its_address_title_and_prometheus_are_set(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["uid"] == name
    assert dashboard["title"].startswith("Aegis: ")
    assert [variable["type"] for variable in dashboard["templating"]["list"]] == ["datasource"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafanas_schema_reads_it_without_a_loss(name: str) -> None:
    text = dashboards.by_name()[name]
    read = Dashboard.from_json(json.loads(text))
    assert json.loads(json.dumps(read, default=lambda part: part.to_json())) == json.loads(text)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_ids_are_unique(name: str) -> None:
    ids = [panel["id"] for panel in DASHBOARDS[name]["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_titles_are_unique(name: str) -> None:
    titles = [panel["title"] for panel in DASHBOARDS[name]["panels"]]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_do_not_overlap(name: str) -> None:
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARDS[name]["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=[f"{name}-{panel['title']}" for name, panel in PANELS])
def test_a_panel_has_queries_with_ids_of_their_own_and_a_unit(name: str, panel: Any) -> None:
    letters = [target["refId"] for target in panel["targets"]]
    assert letters
    assert len(letters) == len(set(letters))
    assert panel["fieldConfig"]["defaults"]["unit"] in set(Unit)


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=[f"{name}-{panel['title']}" for name, panel in PANELS])
def test_lines_that_share_a_panel_have_names_of_their_own(name: str, panel: Any) -> None:
    legends = [target["legendFormat"] for target in panel["targets"]]
    assert len(legends) == len(set(legends))


@pytest.mark.parametrize(("place", "expression"), QUERIES, ids=[place for place, _ in QUERIES])
def test_a_query_asks_only_for_metrics_that_the_platform_has(place: str, expression: str) -> None:
    asked = set(METRIC.findall(expression))
    assert asked
    assert asked <= METRICS.keys()


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=[f"{name}-{panel['title']}" for name, panel in PANELS])
def test_a_query_and_its_legend_use_only_labels_of_its_metrics(name: str, panel: Any) -> None:
    for target in panel["targets"]:
        known = {label for metric in METRIC.findall(target["expr"]) for label in METRICS[metric]}
        assert labels_in(target["expr"]) | labels_in(target["legendFormat"]) <= known


@pytest.mark.parametrize(("place", "expression"), QUERIES, ids=[place for place, _ in QUERIES])
def test_prometheus_alone_can_answer_a_query(place: str, expression: str) -> None:
    assert "$" not in expression
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize(("place", "expression"), [query for query in QUERIES if REQUESTS.search(query[1])])
def test_probes_do_not_dilute_what_clients_get(place: str, expression: str) -> None:
    selectors = [selector or "" for selector in REQUESTS.findall(expression)]
    assert all(NO_PROBES in selector or WRITES in selector for selector in selectors)


def test_every_metric_of_the_platform_is_shown() -> None:
    assert METRICS.keys() <= {metric for _, expression in QUERIES for metric in METRIC.findall(expression)}


def test_the_json_is_the_same_each_time() -> None:
    assert dashboards.by_name() == dashboards.by_name()


def test_the_command_writes_every_file(tmp_path: Path) -> None:
    assert command.main([str(tmp_path / "out")]) == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {f"{name}.json" for name in DASHBOARDS}


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("a file")
    assert command.main([str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/out can't be written: File exists\n"
