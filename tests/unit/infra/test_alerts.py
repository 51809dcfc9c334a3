"""Alerts: what an alert must have, and the rule file of a stack, whose numbers follow from its settings."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts import Exit
from infra import alerts
from infra.limits.alerts import Alert, Recording
from infra.settings.cron import longest_gap
from tests.support.engine import ROOT

STACKS = sorted(path.stem.removeprefix("Pulumi.") for path in (ROOT / "stacks").glob("Pulumi.*.yaml"))
# The stacks that release a model, and those whose gateway never has more than its two pods.
RELEASING = {"local", "ci", "dev"}
SMALL = {"local", "ci"}
MONITORED = {"kind": "in-cluster"}
OPERATOR = {"kind": "operator", "prometheusNamespace": "monitoring"}
CERTIFICATES = {"certificateHosts": ["mlflow.example.com"]}
GOOD: dict[str, Any] = {
    "name": "BackupFailed",
    "expression": "up == 0",
    "minutes": 5,
    "severity": "page",
    "summary": "It failed.",
    "action": "Repair it.",
    "runbook": "backup",
}

Rules = dict[str, dict[str, Any]]
# By alert, the rules of a stack with changed settings.
Changed = Callable[..., Rules]


def rules(text: str) -> Rules:
    found = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"] if "alert" in rule]
    assert len({rule["alert"] for rule in found}) == len(found)
    return {rule["alert"]: rule for rule in found}


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    def read(stack: str = "prod", **sections: dict[str, Any]) -> Rules:
        content = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text())
        for section, values in sections.items():
            content["config"].setdefault(f"aegis:{section}", {}).update(values)
        file = tmp_path / "Pulumi.changed.yaml"
        file.write_text(yaml.safe_dump(content))
        return rules(alerts.rule_file(alerts.read(file, "changed")))

    return read


def test_an_alert_is_a_rule_of_prometheus() -> None:
    assert Alert(**GOOD).rule() == {
        "alert": "BackupFailed",
        "expr": "up == 0",
        "for": "5m",
        "labels": {"severity": "page"},
        "annotations": {
            "summary": "It failed.",
            "description": "Repair it.",
            "runbook_url": "docs/runbooks/backup.md",
        },
    }


@pytest.mark.parametrize("folder", ["https://git.example.com/aegis/docs/runbooks", "https://git.example.com/runbooks/"])
def test_an_alert_links_to_its_page_at_the_address_of_the_settings(folder: str, changed: Changed) -> None:
    found = changed(monitoring={"runbooks": folder})["BackupFailed"]["annotations"]["runbook_url"]
    assert found == f"{folder.rstrip('/')}/backup.md"


@pytest.mark.parametrize("name", ["mlflow", "Mlflow:rate", "mlflow:rate5m\n"])
def test_a_recorded_series_has_a_name_of_its_level_and_its_operations(name: str) -> None:
    with pytest.raises(ValueError, match="name must have the form level:metric:operations"):
        Recording(name=name, expression="up")


def test_a_recorded_series_has_an_expression() -> None:
    with pytest.raises(ValueError, match="expression of mlflow:up must not be empty"):
        Recording(name="mlflow:up", expression=" ")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "backup_failed", 'name must be in CamelCase, such as BackupFailed, got "backup_failed"'),
        ("name", "Backup Failed", "name must be in CamelCase"),
        ("name", "", "name must be in CamelCase"),
        ("name", "BackupFailed\n", "name must be in CamelCase"),
        ("expression", " ", "expression of BackupFailed must not be empty"),
        ("minutes", 0, "minutes must be 1 to 1440, got 0"),
        ("minutes", 1441, "minutes must be 1 to 1440, got 1441"),
        ("severity", "critical", 'severity must be page or ticket, got "critical"'),
        ("summary", "", "summary of BackupFailed must not be empty"),
        ("action", "\n", "action of BackupFailed must not be empty"),
        ("runbook", "", 'runbook of BackupFailed must be a page such as backup, got ""'),
        ("runbook", "../backup", "runbook of BackupFailed must be a page such as backup"),
    ],
)
def test_a_bad_alert_is_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Alert(**{**GOOD, field: value})


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_has_a_group_for_each_capability_with_alerts(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alerts.main([stack]) == Exit.OK
    text = capsys.readouterr().out
    groups = {group["name"]: {rule["alert"] for rule in group["rules"]} for group in yaml.safe_load(text)["groups"]}
    # On the stack local, MLflow has two pods and never more; only ci promotes on a schedule; only those two release.
    assert groups == {
        "aegis-mlflow": {
            *("MlflowPodsUnavailable", "MigrationFailed"),
            *(["MlflowAtMaximum"] if stack != "local" else []),
        },
        **({"aegis-release": {"ReleaseFailed"}} if stack in RELEASING else {}),
        "aegis-monitoring": {"PodRestarting"},
        **({"aegis-promotion": {"PromotionFailed", "PromotionOverdue"}} if stack == "ci" else {}),
        "aegis-backup": {"BackupOverdue", "BackupFailed"},
        "aegis-serving": {
            *("ServedModelDown", "ServedModelDiffers", "ServedModelUnverified", "RolloutRolledBack"),
            *("ReconcilerUnavailable", "ReconcilerWithoutLeader"),
            *("ModelFailing", "ModelSlow", "ModelInputsDrifted"),
        },
        "aegis-gateway": {
            *("GatewayPodsUnavailable", "GatewayErrors", "GatewaySlow"),
            *(["GatewayAtMaximum"] if stack not in SMALL else []),
        },
    }


def test_each_guide_that_an_alert_names_is_there(changed: Changed) -> None:
    named = [
        name
        for rule in changed().values()
        for name in re.findall(r"(docs/[\w-]+\.md)(?:#([\w-]+))?", rule["annotations"]["description"])
    ]
    assert named
    for file, heading in named:
        titles = re.findall(r"^#+ (.*)$", (ROOT / file).read_text(), re.MULTILINE)
        assert not heading or heading in [title.lower().replace(" ", "-") for title in titles]


def test_what_is_monitored_has_an_alert_for_each_way_to_fail(changed: Changed) -> None:
    added = set(changed("local", monitoring={**MONITORED, **CERTIFICATES})) - set(changed("local"))
    assert added == {
        *("MlflowDown", "MlflowErrors", "MlflowSlow"),
        *("MlflowBudgetBurnsFast", "MlflowBudgetBurns", "MlflowBudgetBurnsSlowly"),
        *("DatabaseUnreachable", "DatabaseConnections", "DatabaseVolumeFull", "ObjectVolumeFull"),
        *("BackupUnverified", "VaultSealed", "VaultUnreachable", "UnsignedVersion", "CertificateExpires"),
        *("FiguresMissing", "ExporterFailing", "AlertsUndelivered"),
    }


def test_the_connections_are_those_of_the_server_that_the_settings_size(changed: Changed) -> None:
    found = changed("local", monitoring=MONITORED, database={"memory": "2Gi"})["DatabaseConnections"]
    # 352 fit into 2Gi.
    assert found["expr"] == "sum(pg_stat_activity_count) > 281"
    assert "of the 352 that it accepts" in found["annotations"]["summary"]


def test_a_database_with_logins_by_role_is_watched_by_our_exporter(changed: Changed) -> None:
    found = changed("prod", monitoring=OPERATOR)
    assert "aegis_exporter_last_success" in found["DatabaseUnreachable"]["expr"]
    assert not {"DatabaseConnections", "DatabaseVolumeFull", "ObjectVolumeFull"} & set(found)


def test_a_volume_is_full_at_its_size_in_the_settings(changed: Changed) -> None:
    stores = {"database": {"storage": "10Gi"}, "artifactStore": {"storage": "1Ti"}}
    found = changed("local", monitoring=MONITORED, **stores)
    assert f"/ {10 * 2**30} >" in found["DatabaseVolumeFull"]["expr"]
    assert f"/ {2**40} >" in found["ObjectVolumeFull"]["expr"]


def test_the_rates_of_the_budget_follow_from_the_objective(changed: Changed) -> None:
    found = changed("local", monitoring={**MONITORED, "slo": {"percent": 99.0, "seconds": 0.5}})
    assert found["MlflowBudgetBurnsFast"]["expr"].count("> 0.144 and") == 2
    assert found["MlflowBudgetBurnsSlowly"]["expr"].count("> 0.01 and") == 2
    assert "1 % are allowed" in found["MlflowBudgetBurns"]["annotations"]["summary"]


def test_an_unsigned_version_counts_only_under_a_guarded_alias(changed: Changed) -> None:
    found = changed("local", monitoring=MONITORED, mlflow={"guardedAliases": ["live", "next"]})
    assert 'alias=~"(?i)live|next"' in found["UnsignedVersion"]["expr"]
    assert "UnsignedVersion" not in changed("local", monitoring=MONITORED, mlflow={"guardedAliases": []})


@pytest.mark.parametrize("stack", STACKS)
def test_each_alert_is_in_the_runbook_that_it_links_to(stack: str, changed: Changed) -> None:
    lost = [
        name
        # The other stacks set no image of the monitoring.
        for kind in ({}, MONITORED if stack in SMALL else {}, {**OPERATOR, **CERTIFICATES})
        for name, rule in changed(stack, monitoring=kind).items()
        if f"| `{name}` | {rule['labels']['severity']} |" not in (ROOT / rule["annotations"]["runbook_url"]).read_text()
    ]
    assert lost == []


def test_each_alert_is_in_the_guide(changed: Changed) -> None:
    guide = (ROOT / "docs" / "operations.md").read_text()
    everything = {
        **changed(),
        **changed("local", monitoring={**MONITORED, **CERTIFICATES}),
        **changed(monitoring=OPERATOR),
    }
    assert [
        name for name, rule in everything.items() if f"| `{name}` | {rule['labels']['severity']} |" not in guide
    ] == []


def test_the_age_of_a_backup_follows_from_its_schedule(changed: Changed) -> None:
    # The time between two backups, an hour to start and four to run.
    assert changed()["BackupOverdue"]["expr"].endswith(f"> {29 * 3600}")
    hourly = changed(backup={"schedule": "0 * * * *"})["BackupOverdue"]
    assert hourly["expr"].endswith(f"> {6 * 3600}")
    assert "allows at most 6 hours" in hourly["annotations"]["summary"]


def test_a_promotion_has_alerts_where_it_is_enabled(changed: Changed) -> None:
    found = changed("local", promotion={"enabled": True, "policy": "workloads/registry/examples/policy.yaml"})
    # A day, an hour to start and one to run.
    assert found["PromotionOverdue"]["expr"].endswith(f"> {26 * 3600}")
    assert 'job_name=~"promotion-[0-9]+"' in found["PromotionFailed"]["expr"]
    guide = (ROOT / "docs" / "operations.md").read_text()
    for name in ("PromotionOverdue", "PromotionFailed"):
        assert f"| `{name}` | {found[name]['labels']['severity']} |" in guide


def test_a_suspended_backup_has_no_alert(changed: Changed) -> None:
    assert not {"BackupOverdue", "BackupFailed"} & set(changed(backup={"suspended": True}))


def test_what_is_switched_off_has_no_alert(changed: Changed) -> None:
    left = changed(gateway={"enabled": False}, serving={"enabled": False})
    assert set(left) == {
        *("MlflowPodsUnavailable", "MlflowAtMaximum", "MigrationFailed", "PodRestarting"),
        *("BackupOverdue", "BackupFailed"),
    }


def test_a_slow_prediction_is_one_that_takes_half_of_what_it_may(changed: Changed) -> None:
    found = changed(gateway={"predictionTimeout": 20})["GatewaySlow"]
    assert found["expr"].endswith(" > 10")
    assert "they end at 20 s" in found["annotations"]["summary"]


def test_a_slow_prediction_is_one_that_can_be_measured(changed: Changed) -> None:
    # Model servers end requests at 60 s, and the largest bound of the gateway's histogram is 60 s.
    found = changed(gateway={"predictionTimeout": 600})["GatewaySlow"]
    assert found["expr"].endswith(" > 30")


def test_a_model_may_differ_for_ten_minutes(changed: Changed) -> None:
    found = changed()["ServedModelDiffers"]
    assert (found["for"], found["expr"]) == ("10m", "max by (model) (aegis_serving_drift) == 1")


@pytest.mark.parametrize(("least", "available"), [(1, 0), (1, 1), (3, 3)])
def test_the_fewest_pods_are_those_of_the_settings_and_at_least_one(
    changed: Changed, least: int, available: int
) -> None:
    found = changed(mlflow={"minReplicas": 4, "minAvailable": available})
    assert found["MlflowPodsUnavailable"]["expr"].endswith(f" < {least}")


def test_the_maximum_is_that_of_the_settings(changed: Changed) -> None:
    assert changed(mlflow={"maxReplicas": 7})["MlflowAtMaximum"]["expr"].endswith(" >= 7")
    assert "MlflowAtMaximum" not in changed(mlflow={"minReplicas": 3, "maxReplicas": 3})


@pytest.mark.parametrize(
    ("schedule", "gap"),
    [
        ("* * * * *", timedelta(minutes=1)),
        ("0 2 * * *", timedelta(days=1)),
        ("*/15 0-6,22 * * *", timedelta(hours=15, minutes=15)),
        ("0 3 * * mon-fri", timedelta(days=3)),
        ("0 1,13 * * sun", timedelta(days=6, hours=12)),
        ("30 4 1 * *", timedelta(days=31)),
        ("0 0 1 1 *", timedelta(days=366)),
        ("0 0 29 2 *", timedelta(days=4 * 365 + 1)),
        # Either day is enough.
        ("0 0 1 * mon", timedelta(days=7)),
    ],
)
def test_the_longest_gap_of_a_schedule(schedule: str, gap: timedelta) -> None:
    assert longest_gap(schedule) == gap


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("config: [", "is not valid YAML"),
        ("config:\n  aegis:environment: {name: 2026-02-30}", "is not valid YAML"),
        ("config: " + "[" * 3000, "is not valid YAML"),
        ("config: text", "must be an object, with an object in `config`"),
        ("", "must be an object, with an object in `config`"),
        ("config:\n  aegis:backup: {schedule: daily}", "aegis:backup.schedule"),
        ("config:\n  aegis:backup: '{\"retentionDays\": 0}'", "aegis:backup.retentionDays: got 0; allowed"),
    ],
)
def test_a_bad_stack_file_is_refused(
    content: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Pulumi.bad.yaml").write_text(content)
    monkeypatch.setattr(alerts, "_STACKS", tmp_path)
    assert alerts.main(["bad"]) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert message in captured.err


def test_a_stack_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        alerts.main(["../prod"])
    assert exited.value.code == Exit.USAGE
    assert "invalid choice: '../prod' (choose from" in capsys.readouterr().err


def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "infra.alerts", "prod"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == Exit.UNEXPECTED
    assert re.fullmatch(r"error: standard output can't be written: .*No space left on device\n", done.stderr)


def test_the_command_needs_no_environment() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.alerts", "local"], cwd=ROOT, env={}, capture_output=True, text=True, check=True
    )
    assert "alert: BackupOverdue" in done.stdout
    assert done.stderr == ""
