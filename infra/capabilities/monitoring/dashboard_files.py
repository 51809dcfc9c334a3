"""Dashboards as ConfigMaps that the sidecar of Grafana's chart finds by their label."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap

from infra.kube.pods import labels

# https://github.com/grafana/helm-charts/blob/main/charts/grafana/README.md#sidecar-for-dashboards
GRAFANA_LABEL: Final = {"grafana_dashboard": "1"}
_COMPONENT: Final = "dashboards"


@dataclass(frozen=True, kw_only=True, slots=True)
class DashboardsArgs:
    """Arguments of `Dashboards`: their JSON by their names, which are those of Kubernetes objects."""

    namespace: pulumi.Input[str]
    dashboards: Mapping[str, str]


class Dashboards(pulumi.ComponentResource):
    """A ConfigMap for each dashboard."""

    def __init__(self, name: str, args: DashboardsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Dashboards", name, {}, opts)
        for dashboard, content in args.dashboards.items():
            ConfigMap(
                f"{name}-{dashboard}",
                metadata={"namespace": args.namespace, "labels": {**labels(_COMPONENT), **GRAFANA_LABEL}},
                data={f"{dashboard}.json": content},
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({})
