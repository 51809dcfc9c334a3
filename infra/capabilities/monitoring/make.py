"""Create what monitors the platform: Prometheus and Alertmanager, or objects for a cluster's operator and Grafana."""

from collections.abc import Mapping

import pulumi

import contracts
from infra.capabilities.monitoring.alertmanager import Alertmanager, AlertmanagerArgs
from infra.capabilities.monitoring.dashboard_files import Dashboards, DashboardsArgs
from infra.capabilities.monitoring.exporters import Exporter, ExporterArgs, PostgresExporter, PostgresExporterArgs
from infra.capabilities.monitoring.grants import WORKLOAD
from infra.capabilities.monitoring.operator import OperatorObjects, OperatorObjectsArgs
from infra.capabilities.monitoring.prometheus import Prometheus, PrometheusArgs
from infra.capabilities.monitoring.state_metrics import StateMetrics, StateMetricsArgs
from infra.context import Context
from infra.limits.flows import (
    ALERTMANAGER,
    ALERTMANAGER_PODS,
    EXPORTER_PODS,
    POSTGRES_EXPORTER_PODS,
    PROMETHEUS,
    PROMETHEUS_PODS,
    STATE_METRICS_PODS,
)
from infra.links import Artifacts, Database, Signing
from infra.settings.rules import rule_groups

Namespaces = Mapping[str, pulumi.Input[str]]


def make_monitoring(
    context: Context, database: Database, artifacts: Artifacts, signing: Signing, serving: pulumi.Output[str] | None
) -> None:
    """Create what the settings ask for, and export the addresses of Prometheus and Alertmanager.

    `serving` is the namespace of the served models, if there are any.
    """
    if not context.settings.monitoring.enabled:
        return
    found = {
        contracts.MLFLOW_NAMESPACE: context.namespace,
        contracts.VAULT_NAMESPACE: signing.namespace,
        contracts.SERVING_NAMESPACE: serving,
    }
    namespaces = {name: namespace for name, namespace in found.items() if namespace is not None}
    _exporters(context, database, artifacts, signing)
    if context.settings.monitoring.kind == "operator":
        _for_operator(context, namespaces)
    else:
        _in_cluster(context, namespaces)


def _exporters(context: Context, database: Database, artifacts: Artifacts, signing: Signing) -> None:
    settings = context.settings
    Exporter(
        "exporter",
        ExporterArgs(
            namespace=context.namespace,
            image=settings.images.workloads,
            database=database.address,
            buckets={
                "artifacts": artifacts.buckets[contracts.ARTIFACTS_BUCKET],
                "backups": artifacts.buckets[contracts.BACKUPS_BUCKET],
            },
            vault_address=signing.vault.address,
            vault_authorities=signing.vault.authorities,
            certificate_hosts=settings.monitoring.certificate_hosts,
            identity=context.identity(WORKLOAD, artifacts, database),
            traffic=context.traffic(EXPORTER_PODS),
        ),
        # Its pods mount the published keys.
        context.after(signing.published),
    )
    if settings.monitoring.asks_postgres(settings):
        PostgresExporter(
            "postgres-exporter",
            PostgresExporterArgs(
                namespace=context.namespace,
                image=settings.images.of("monitoring"),
                database=database.address,
                traffic=context.traffic(POSTGRES_EXPORTER_PODS),
            ),
            context.opts,
        )


def _for_operator(context: Context, namespaces: Namespaces) -> None:
    # Grafana's SDK takes a moment to import, and other stacks don't need it.
    from infra.capabilities.monitoring.dashboards import by_name  # noqa: PLC0415

    OperatorObjects(
        "monitoring",
        OperatorObjectsArgs(
            namespace=context.namespace,
            targets=context.settings.targets(),
            namespaces=namespaces,
            rules=rule_groups(context.settings),
            labels=context.settings.monitoring.labels,
        ),
        context.opts,
    )
    Dashboards("dashboards", DashboardsArgs(namespace=context.namespace, dashboards=by_name()), context.opts)


def _in_cluster(context: Context, others: Namespaces) -> None:
    settings = context.settings.monitoring
    image = context.settings.images.of("monitoring")
    storage_class = context.settings.cluster.storage_class
    namespace = context.closed_namespace(contracts.MONITORING_NAMESPACE)
    namespaces = {**others, contracts.MONITORING_NAMESPACE: namespace}
    StateMetrics(
        "kube-state-metrics",
        StateMetricsArgs(
            namespace=namespace,
            image=image,
            namespaces=namespaces,
            traffic=context.traffic(STATE_METRICS_PODS),
        ),
        context.opts,
    )
    Alertmanager(
        "alertmanager",
        AlertmanagerArgs(
            namespace=namespace,
            image=image,
            storage_class=storage_class,
            receivers=settings.receivers,
            traffic=context.traffic(ALERTMANAGER_PODS),
        ),
        context.opts,
    )
    Prometheus(
        "prometheus",
        PrometheusArgs(
            namespace=namespace,
            image=image,
            storage=settings.storage,
            storage_class=storage_class,
            retention_days=settings.retention_days,
            targets=context.settings.targets(),
            namespaces=namespaces,
            domain=context.settings.cluster.domain,
            rules=rule_groups(context.settings),
            traffic=context.traffic(PROMETHEUS_PODS),
        ),
        context.opts,
    )
    pulumi.export("prometheus_url", context.address("prometheus", PROMETHEUS.url))
    pulumi.export("alertmanager_url", context.address("alertmanager", ALERTMANAGER.url))
