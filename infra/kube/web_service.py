"""Web services: stateless pods that are scaled by load, spread over zones, and never all down at once."""

from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.autoscaling.v2 import HorizontalPodAutoscaler, MetricSpecArgsDict
from pulumi_kubernetes.core.v1 import PodSpecArgsDict
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from infra.kube.network_policy import allow
from infra.kube.pods import labels, metadata, selector
from infra.limits.flows import Traffic


@dataclass(frozen=True, kw_only=True, slots=True)
class Autoscaling:
    """The minimum and maximum number of pods, and the autoscaler's targets in percent of the pods' requests."""

    min_replicas: int
    max_replicas: int
    cpu_target: int
    memory_target: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WebServiceArgs:
    """Arguments of `web_service`; draining nodes leaves at least `min_available` pods running."""

    namespace: pulumi.Input[str]
    pod: PodSpecArgsDict
    traffic: Traffic
    autoscaling: Autoscaling
    min_available: int

    @property
    def component(self) -> str:
        """The component whose pods these are."""
        return self.traffic.pods.component


def web_service(name: str, args: WebServiceArgs, parent: pulumi.Resource) -> Deployment:
    """Make the Deployment, its autoscaler, its disruption budget and its NetworkPolicy.

    The caller makes the Service (`services.internal_service`), because the pods often need its address.
    """
    child = ResourceOptions(parent=parent)
    allow(f"{name}-traffic", args.namespace, args.traffic, child)
    deployment = _deployment(name, args, parent)
    HorizontalPodAutoscaler(
        f"{name}-autoscaler",
        metadata=metadata(args.namespace, args.component, args.component),
        spec={
            "scale_target_ref": {"api_version": "apps/v1", "kind": "Deployment", "name": deployment.metadata.name},
            "min_replicas": args.autoscaling.min_replicas,
            "max_replicas": args.autoscaling.max_replicas,
            "metrics": [
                _utilization("cpu", args.autoscaling.cpu_target),
                _utilization("memory", args.autoscaling.memory_target),
            ],
        },
        opts=child,
    )
    PodDisruptionBudget(
        f"{name}-disruption-budget",
        metadata=metadata(args.namespace, args.component, args.component),
        spec={"min_available": args.min_available, "selector": {"match_labels": selector(args.component)}},
        opts=child,
    )
    return deployment


def _deployment(name: str, args: WebServiceArgs, parent: pulumi.Resource) -> Deployment:
    return Deployment(
        f"{name}-server",
        metadata=metadata(args.namespace, args.component, args.component),
        # No `replicas`: the autoscaler sets them, and every update would overwrite its number.
        spec={
            "selector": {"match_labels": selector(args.component)},
            "strategy": {"type": "RollingUpdate", "rolling_update": {"max_surge": 1, "max_unavailable": 0}},
            "template": {"metadata": {"labels": labels(args.component)}, "spec": _spread(args.pod, args.component)},
        },
        opts=ResourceOptions(
            parent=parent,
            # The autoscaler refers to the fixed name, so a replacement can't exist beside the old Deployment.
            delete_before_replace=True,
            # Pods are replaced one at a time, and each may take all the minutes of its startup probe.
            custom_timeouts=pulumi.CustomTimeouts(create="15m", update="30m"),
        ),
    )


def _spread(spec: PodSpecArgsDict, component: str) -> PodSpecArgsDict:
    """Return the pod `spec`, spread over zones and nodes where it can be: one node must still run two pods."""
    return {
        **spec,
        "topology_spread_constraints": [
            {
                "max_skew": 1,
                "topology_key": key,
                "when_unsatisfiable": "ScheduleAnyway",
                "label_selector": {"match_labels": selector(component)},
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
    }


def _utilization(resource: str, percent: int) -> MetricSpecArgsDict:
    return {
        "type": "Resource",
        "resource": {"name": resource, "target": {"type": "Utilization", "average_utilization": percent}},
    }
