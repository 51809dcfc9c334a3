"""Services inside the cluster, and their addresses."""

from collections.abc import Mapping

import pulumi
from pulumi_kubernetes.core.v1 import Service, ServiceSpecArgsDict

from infra.kube.pods import metadata, selector
from infra.limits.flows import Pods


def internal_service(
    name: str,
    namespace: pulumi.Input[str],
    component: str,
    port: int,
    opts: pulumi.ResourceOptions,
    *,
    more_ports: Mapping[str, int] | None = None,
    sticky: bool = False,
) -> Service:
    """Make the ClusterIP Service `component` for the pods of that component; `more_ports` are by name.

    With `sticky`, all connections from one address reach the same pod for as long as it is ready.
    """
    spec: ServiceSpecArgsDict = {"type": "ClusterIP", **_ports({component: port, **(more_ports or {})})}
    if sticky:
        spec["session_affinity"] = "ClientIP"
    return _service(name, namespace, component, component, spec, opts)


def headless_service(
    name: str, namespace: pulumi.Input[str], component: str, port: int, opts: pulumi.ResourceOptions
) -> Service:
    """Make the headless Service `COMPONENT-pods`, which gives each pod of a StatefulSet a DNS name."""
    return _service(
        name,
        namespace,
        component,
        f"{component}-pods",
        {"type": "ClusterIP", "cluster_ip": "None", **_ports({component: port})},
        opts,
    )


def metrics_service(
    name: str, namespace: pulumi.Input[str], pods: Pods, object_name: str, port: int, opts: pulumi.ResourceOptions
) -> Service:
    """Make a headless Service by which Prometheus finds `pods`, those that aren't ready, too: they may say why."""
    return _service(
        name,
        namespace,
        pods.component,
        object_name,
        {"type": "ClusterIP", "cluster_ip": "None", "publish_not_ready_addresses": True, **_ports({"metrics": port})},
        opts,
        pods.selector,
    )


def _ports(ports: Mapping[str, int]) -> ServiceSpecArgsDict:
    return {
        "ports": [{"name": name, "port": port, "target_port": port, "protocol": "TCP"} for name, port in ports.items()]
    }


def _service(
    name: str,
    namespace: pulumi.Input[str],
    component: str,
    object_name: str,
    spec: ServiceSpecArgsDict,
    opts: pulumi.ResourceOptions,
    pods: Mapping[str, str] | None = None,
) -> Service:
    return Service(
        name,
        metadata={
            **metadata(namespace, component, object_name),
            # Pods refer to their Service and are made after it, so waiting for its endpoints would never end.
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        spec={**spec, "selector": pods or selector(component)},
        opts=opts,
    )


def cluster_ip(service: Service) -> pulumi.Output[str]:
    """Return the cluster IP of a Service.

    It depends on the Service's ID to stay unknown until the Service exists: the preview of a new Service has no cluster
    IP, or one that the API server made up for the dry run.
    """
    return pulumi.Output.all(service.id, service.spec.cluster_ip).apply(lambda outputs: outputs[1])


def url(service: Service, port: int) -> pulumi.Output[str]:
    """Return the URL of a Service by its cluster IP, which pods and the nodes of the cluster can reach."""
    return pulumi.Output.concat("http://", cluster_ip(service), f":{port}")
