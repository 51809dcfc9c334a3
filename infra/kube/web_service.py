"""Web services: stateless pods that are spread over zones, never all down at once, and scaled by load if need be."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.apps.v1 import Deployment, DeploymentSpecArgsDict
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
    """Arguments of `web_service`; draining nodes leaves at least `min_available` pods running.

    `replicas` is the number of pods, or the bounds between which the load decides.
    """

    namespace: pulumi.Input[str]
    pod: PodSpecArgsDict
    traffic: Traffic
    replicas: Autoscaling | int
    min_available: int

    @property
    def component(self) -> str:
        """The component whose pods these are."""
        return self.traffic.pods.component


def web_service(
    name: str, args: WebServiceArgs, parent: pulumi.Resource, *, depends_on: Sequence[pulumi.Resource] = ()
) -> Deployment:
    """Make the Deployment, its autoscaler if it has one, its disruption budget and its NetworkPolicy.

    The caller makes the Service (`services.internal_service`), because the pods often need its address. The pods wait
    for the resources `depends_on`.
    """
    child = ResourceOptions(parent=parent)
    allow(f"{name}-traffic", args.namespace, args.traffic, child)
    deployment = _deployment(name, args, parent, depends_on)
    if isinstance(args.replicas, Autoscaling):
        _autoscaler(name, args, args.replicas, deployment, child)
    PodDisruptionBudget(
        f"{name}-disruption-budget",
        metadata=metadata(args.namespace, args.component, args.component),
        spec={"min_available": args.min_available, "selector": {"match_labels": selector(args.component)}},
        opts=child,
    )
    return deployment


def _autoscaler(
    name: str, args: WebServiceArgs, bounds: Autoscaling, deployment: Deployment, opts: ResourceOptions
) -> HorizontalPodAutoscaler:
    return HorizontalPodAutoscaler(
        f"{name}-autoscaler",
        metadata=metadata(args.namespace, args.component, args.component),
        spec={
            "scale_target_ref": {"api_version": "apps/v1", "kind": "Deployment", "name": deployment.metadata.name},
            "min_replicas": bounds.min_replicas,
            "max_replicas": bounds.max_replicas,
            "metrics": [_utilization("cpu", bounds.cpu_target), _utilization("memory", bounds.memory_target)],
        },
        opts=opts,
    )


def _deployment(
    name: str, args: WebServiceArgs, parent: pulumi.Resource, depends_on: Sequence[pulumi.Resource]
) -> Deployment:
    spec: DeploymentSpecArgsDict = {
        "selector": {"match_labels": selector(args.component)},
        "strategy": {"type": "RollingUpdate", "rolling_update": {"max_surge": 1, "max_unavailable": 0}},
        "template": {"metadata": {"labels": labels(args.component)}, "spec": _spread(args.pod, args.component)},
    }
    if isinstance(args.replicas, int):
        # Otherwise the autoscaler sets them, and every update would overwrite its number.
        spec["replicas"] = args.replicas
    return Deployment(
        f"{name}-server",
        metadata=metadata(args.namespace, args.component, args.component),
        spec=spec,
        opts=ResourceOptions(
            parent=parent,
            depends_on=list(depends_on),
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
