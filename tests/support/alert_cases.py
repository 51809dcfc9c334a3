"""Series that make each alert fire, or just don't, in the form of promtool's unit tests of rules.

https://prometheus.io/docs/prometheus/2.42/configuration/unit_testing_rules/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from infra import alerts
from tests.support.engine import ROOT

# A stack with every alert: the bounds of the autoscalers differ, and certificates are watched.
_SECTIONS: Final = {
    "monitoring": {"kind": "in-cluster", "certificateHosts": ["mlflow.example.com"]},
    "mlflow": {"maxReplicas": 3},
    "gateway": {"enabled": True, "maxReplicas": 3},
}
_SECONDS: Final = 30
_MLFLOW: Final = 'job="mlflow",method="GET",route="/api/2.0/mlflow/runs/get"'
_FILE: Final = 'job="mlflow",method="GET",route="/api/2.0/mlflow-artifacts/artifacts/{artifact_path}"'
_PROBES: Final = tuple(f'job="mlflow",method="GET",route="{route}"' for route in ("/health", "/ready", "/version"))
_DURATION: Final = "aegis_http_request_duration_seconds"
_BACKUP: Final = 'namespace="mlflow",cronjob="backup"'
_DAY: Final = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """Whether `alert` fires, `at` a time such as 5m, if `series` have these values, one every 30 seconds."""

    alert: str
    series: Mapping[str, str]
    at: str
    fires: bool

    def __str__(self) -> str:
        return f"{self.alert} {'fires' if self.fires else 'is silent'} at {self.at}: {self.series}"

    def test(self) -> dict[str, Any]:
        """Return it as one of promtool's tests."""
        return {
            "interval": f"{_SECONDS}s",
            "input_series": [{"series": series, "values": values} for series, values in self.series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{self.alert}",alertstate="firing"}}) > bool 0',
                    "eval_time": self.at,
                    "exp_samples": [{"labels": "{}", "value": 1}] if self.fires else [],
                }
            ],
        }


def rules() -> str:
    """Return the rule file of the stack that the cases are about."""
    content = yaml.safe_load((ROOT / "stacks" / "Pulumi.local.yaml").read_text())
    for section, values in _SECTIONS.items():
        content["config"].setdefault(f"aegis:{section}", {}).update(values)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "Pulumi.cases.yaml"
        file.write_text(yaml.safe_dump(content))
        return alerts.rule_file(alerts.read(file, "cases"))


def tests(rule_file: str) -> str:
    """Return all cases as promtool's file of tests; `rule_file` is the name of the file with the rules."""
    content = {
        "rule_files": [rule_file],
        "evaluation_interval": f"{_SECONDS}s",
        "tests": [case.test() for case in CASES],
    }
    return yaml.safe_dump(content, sort_keys=False)


def _always(value: float) -> str:
    """Return a value that stays for two hours."""
    return f"{value:g}+0x240"


def _growing(step: float) -> str:
    """Return a counter that grows for two hours."""
    return f"0+{step:g}x240"


def _answers(good: float, bad: float, slow: float = 0) -> dict[str, str]:
    """Return the figures of requests, by 30 seconds: those in time, the errors, and those that take 4 s."""
    every = good + bad + slow
    return {
        f'aegis_http_requests_total{{{_MLFLOW},status="200"}}': _growing(good + slow),
        f'aegis_http_requests_total{{{_MLFLOW},status="503"}}': _growing(bad),
        **_probes(1000),
        f'{_DURATION}_bucket{{{_MLFLOW},le="2.0"}}': _growing(good + bad),
        f'{_DURATION}_bucket{{{_MLFLOW},le="5.0"}}': _growing(every),
        f'{_DURATION}_bucket{{{_MLFLOW},le="+Inf"}}': _growing(every),
        f"{_DURATION}_count{{{_MLFLOW}}}": _growing(every),
        f'{_DURATION}_bucket{{{_FILE},le="2.0"}}': "0+0x240",
        f'{_DURATION}_bucket{{{_FILE},le="+Inf"}}': _growing(50),
        f"{_DURATION}_count{{{_FILE}}}": _growing(50),
    }


def _probes(count: float) -> dict[str, str]:
    """Return the figures of probes, by 30 seconds: they are many and fast, and don't count."""
    return {
        series: _growing(count)
        for probe in _PROBES
        for series in (
            f'aegis_http_requests_total{{{probe},status="200"}}',
            *(f'{_DURATION}_bucket{{{probe},le="{bound}"}}' for bound in ("2.0", "5.0", "+Inf")),
            f"{_DURATION}_count{{{probe}}}",
        )
    }


def _at(at: str, alert: str, fires: Mapping[str, str], silent: Mapping[str, str]) -> tuple[Case, Case]:
    return (
        Case(alert=alert, series=fires, at=at, fires=True),
        Case(alert=alert, series=silent, at=at, fires=False),
    )


def _failed_job(name: str) -> dict[str, str]:
    return {f'kube_job_failed{{namespace="mlflow",job_name="{name}",condition="true"}}': _always(1)}


def _autoscaler(name: str, pods: int) -> dict[str, str]:
    of = f'{{namespace="mlflow",horizontalpodautoscaler="{name}"}}'
    return {f"kube_horizontalpodautoscaler_status_current_replicas{of}": _always(pods)}


def _part(part: str, value: str) -> dict[str, str]:
    return {f'aegis_exporter_last_success_timestamp_seconds{{part="{part}"}}': value}


_UP: Final = 'up{job="mlflow",instance="10.0.0.1:9464"}'
CASES: Final[Sequence[Case]] = (
    # It answers for two minutes, and not any more.
    Case(alert="MlflowDown", series={_UP: "1+0x4 0+0x30"}, at="4m", fires=False),
    Case(alert="MlflowDown", series={_UP: "1+0x4 0+0x30"}, at="5m", fires=True),
    Case(
        alert="MlflowDown", series={_UP: _always(0), 'up{job="mlflow",instance="b"}': _always(1)}, at="1h", fires=False
    ),
    *_at("20m", "MlflowErrors", _answers(88, 12), _answers(91, 9)),
    *_at("20m", "MlflowSlow", _answers(90, 0, slow=10), _answers(96, 0, slow=4)),
    *_at("1h30m", "MlflowBudgetBurnsFast", _answers(92, 8), _answers(94, 6)),
    *_at("1h30m", "MlflowBudgetBurnsFast", _answers(92, 0, slow=8), _answers(0.4, 0.1)),
    *_at("1h30m", "MlflowBudgetBurns", _answers(96, 4), _answers(98, 2)),
    *_at("1h30m", "MlflowBudgetBurnsSlowly", _answers(99, 1), _answers(99.7, 0.3)),
    *_at("5m", "DatabaseUnreachable", {"pg_up": _always(0)}, {"pg_up": _always(1)}),
    # 160 fit into 1Gi.
    *_at(
        "10m",
        "DatabaseConnections",
        {'pg_stat_activity_count{state="idle"}': _always(100), 'pg_stat_activity_count{state="active"}': _always(29)},
        {'pg_stat_activity_count{state="idle"}': _always(100), 'pg_stat_activity_count{state="active"}': _always(28)},
    ),
    *_at(
        "10m",
        "DatabaseVolumeFull",
        {'pg_database_size_bytes{datname="mlflow"}': _always(18.3e9)},
        {'pg_database_size_bytes{datname="mlflow"}': _always(18.2e9)},
    ),
    *_at(
        "10m",
        "ObjectVolumeFull",
        {f'aegis_bucket_bytes{{bucket="{name}"}}': _always(9.2e9) for name in ("artifacts", "backups")},
        {f'aegis_bucket_bytes{{bucket="{name}"}}': _always(9e9) for name in ("artifacts", "backups")},
    ),
    # The time begins at 0, and a day with an hour to start and four to run are 29 hours.
    *_at(
        "30h",
        "BackupOverdue",
        {f"kube_cronjob_status_last_successful_time{{{_BACKUP}}}": "0+0x3700"},
        {f"kube_cronjob_status_last_successful_time{{{_BACKUP}}}": f"{2 * 3600}+0x3700"},
    ),
    *_at(
        "30h",
        "BackupUnverified",
        {"aegis_backup_newest_verified_timestamp_seconds": "0+0x3700"},
        {"aegis_backup_newest_verified_timestamp_seconds": f"{2 * 3600}+0x3700"},
    ),
    *_at(
        "10m",
        "BackupFailed",
        {
            **_failed_job("backup-29384732"),
            'kube_job_status_start_time{namespace="mlflow",job_name="backup-29384732"}': _always(100),
            f"kube_cronjob_status_last_successful_time{{{_BACKUP}}}": _always(50),
        },
        {
            **_failed_job("backup-29384732"),
            'kube_job_status_start_time{namespace="mlflow",job_name="backup-29384732"}': _always(100),
            f"kube_cronjob_status_last_successful_time{{{_BACKUP}}}": _always(150),
        },
    ),
    *_at("5m", "MigrationFailed", _failed_job("migration-upgrade-0a1b2c3d"), _failed_job("release-run-0a1b2c3d")),
    *_at("5m", "ReleaseFailed", _failed_job("release-run-0a1b2c3d"), _failed_job("by-hand")),
    *_at("5m", "VaultSealed", {"aegis_vault_unsealed": _always(0)}, {"aegis_vault_unsealed": _always(1)}),
    # Vault has a second series from before it knew its cluster.
    *_at(
        "5m",
        "VaultSealed",
        {"aegis_vault_unsealed": _always(1), 'vault_core_unsealed{cluster="a"}': _always(0)},
        {'vault_core_unsealed{cluster=""}': _always(0), 'vault_core_unsealed{cluster="a"}': _always(1)},
    ),
    *_at("10m", "VaultUnreachable", _part("vault", _always(0)), _part("vault", _growing(_SECONDS))),
    *_at("3h", "ExporterFailing", _part("backups", "0+0x400"), _part("backups", f"0+{_SECONDS}x400")),
    *_at(
        "20m",
        "CertificateExpires",
        {'aegis_certificate_expiry_timestamp_seconds{host="a"}': _always(20 * _DAY)},
        {'aegis_certificate_expiry_timestamp_seconds{host="a"}': _always(22 * _DAY)},
    ),
    *_at(
        "10m",
        "UnsignedVersion",
        {'aegis_alias_versions{alias="Champion",signed="false"}': _always(1)},
        {
            'aegis_alias_versions{alias="mine",signed="false"}': _always(1),
            'aegis_alias_versions{alias="champion",signed="true"}': _always(1),
        },
    ),
    *_at("20m", "MlflowAtMaximum", _autoscaler("mlflow", 3), _autoscaler("mlflow", 2)),
    *_at("20m", "GatewayAtMaximum", _autoscaler("gateway", 3), _autoscaler("gateway", 2)),
    *_at(
        "20m",
        "PodRestarting",
        {'kube_pod_container_status_restarts_total{namespace="mlflow",pod="a",container="a"}': "0+1x4 4+0x60"},
        {
            'kube_pod_container_status_restarts_total{namespace="mlflow",pod="a",container="a"}': "0 1+0x60",
            'kube_pod_container_status_restarts_total{namespace="other",pod="a",container="a"}': "0+1x4 4+0x60",
        },
    ),
    *_at(
        "20m",
        "FiguresMissing",
        {'up{job="gateway",instance="a"}': _always(0), 'up{job="gateway",instance="b"}': _always(0)},
        {'up{job="gateway",instance="a"}': _always(0), 'up{job="gateway",instance="b"}': _always(1)},
    ),
    *_at(
        "30m",
        "AlertsUndelivered",
        {'alertmanager_notifications_failed_total{integration="slack"}': _growing(1)},
        {'alertmanager_notifications_failed_total{integration="slack"}': _always(7)},
    ),
)
