"""kube-state-metrics: the states of the platform's objects as figures, in the platform's namespaces only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ContainerArgsDict

import contracts
from infra.kube.pods import Resources, container, environment, http_probe, pod
from infra.kube.readers import Reader, ReaderArgs
from infra.kube.web_service import WebServiceArgs, web_service
from infra.limits.flows import STATE_METRICS_PODS, Traffic

COMPONENT: Final = STATE_METRICS_PODS.component

_RESOURCES: Final = Resources(cpu="5m", memory="32Mi", cpu_limit="500m", memory_limit="128Mi")
_SOFT_LIMIT: Final = "96MiB"
# Kinds of objects by their API group, and what is told of them: what alerts and dashboards ask for, of some 200
# figures. The names are those of kube-state-metrics 2.16:
# https://github.com/kubernetes/kube-state-metrics/tree/v2.16.0/docs/metrics
_READABLE: Final = {
    "": ("pods", "persistentvolumeclaims"),
    "apps": ("deployments", "statefulsets"),
    "batch": ("jobs", "cronjobs"),
    "autoscaling": ("horizontalpodautoscalers",),
}
_FIGURES: Final = (
    "kube_cronjob_created",
    "kube_cronjob_status_last_successful_time",
    "kube_deployment_status_replicas_available",
    "kube_horizontalpodautoscaler_spec_max_replicas",
    "kube_horizontalpodautoscaler_status_current_replicas",
    "kube_job_failed",
    "kube_job_status_start_time",
    "kube_persistentvolumeclaim_resource_requests_storage_bytes",
    "kube_pod_container_status_restarts_total",
    "kube_pod_status_phase",
    "kube_statefulset_status_replicas_ready",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StateMetricsArgs:
    """Arguments of `StateMetrics`; `namespaces` are those that it tells of, by their names."""

    namespace: pulumi.Input[str]
    image: str
    namespaces: Mapping[str, pulumi.Input[str]]
    traffic: Traffic


class StateMetrics(pulumi.ComponentResource):
    """The Deployment `kube-state-metrics`. Prometheus reads its pod, so it has no Service."""

    def __init__(self, name: str, args: StateMetricsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:StateMetrics", name, {}, opts)
        reader = Reader(
            f"{name}-reader",
            ReaderArgs(namespace=args.namespace, component=COMPONENT, readable=_READABLE, namespaces=args.namespaces),
            ResourceOptions(parent=self),
        )
        web_service(
            name,
            WebServiceArgs(
                namespace=args.namespace,
                pod=pod(_container(args), service_account=reader.name, mount_token=True),
                traffic=args.traffic,
                replicas=1,
                # A node must be drainable, and it keeps nothing.
                min_available=0,
            ),
            self,
            depends_on=[reader],
        )
        self.register_outputs({})


def _container(args: StateMetricsArgs) -> ContainerArgsDict:
    port = contracts.STATE_METRICS_PORT
    kinds = [kind for of_group in _READABLE.values() for kind in of_group]
    return {
        **container(
            COMPONENT,
            args.image,
            _RESOURCES,
            command=["kube-state-metrics"],
            args=[
                f"--port={port}",
                f"--namespaces={','.join(args.namespaces)}",
                f"--resources={','.join(kinds)}",
                f"--metric-allowlist={','.join(_FIGURES)}",
            ],
            env=environment({"GOMEMLIMIT": _SOFT_LIMIT}),
        ),
        "ports": [{"name": "metrics", "container_port": port}],
        # `/healthz` asks nobody, so an API server that restarts doesn't restart this, too.
        "liveness_probe": http_probe("/healthz", port, period=20, failures=6),
        "readiness_probe": http_probe("/livez", port, period=5, failures=6),
    }
