"""Cluster-internal Services, and how Pulumi treats them."""

from collections.abc import Mapping

import pulumi
from pulumi_kubernetes.core.v1 import Service, ServiceSpecArgsDict

from infra.kube.pods import metadata, selector


def internal_service(
    name: str,
    namespace: pulumi.Input[str],
    component: str,
    port: int,
    opts: pulumi.ResourceOptions,
    *,
    more_ports: Mapping[str, int] | None = None,
) -> Service:
    """Make the ClusterIP Service `component` in front of the pods of that component; `more_ports` by their names."""
    ports = {component: port, **(more_ports or {})}
    return _service(name, namespace, component, component, {"type": "ClusterIP", **_ports(ports)}, opts)


def headless_service(
    name: str, namespace: pulumi.Input[str], component: str, port: int, opts: pulumi.ResourceOptions
) -> Service:
    """Make the Service `COMPONENT-pods` that gives each pod of a StatefulSet a DNS name, and has no address itself."""
    return _service(
        name,
        namespace,
        component,
        f"{component}-pods",
        {"type": "ClusterIP", "cluster_ip": "None", **_ports({component: port})},
        opts,
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
) -> Service:
    return Service(
        name,
        metadata={
            **metadata(namespace, component, object_name),
            # Pods refer to their Service; waiting here until it has endpoints would wait for pods that come after it.
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        spec={**spec, "selector": selector(component)},
        opts=opts,
    )


def cluster_ip(service: Service) -> pulumi.Output[str]:
    """Return the service's cluster IP.

    It is unknown until the service exists, by way of its id: the preview of a new service has none, or one that the
    API server made up for the dry run.
    """
    return pulumi.Output.all(service.id, service.spec.cluster_ip).apply(lambda known: known[1])


def url(service: Service, port: int) -> pulumi.Output[str]:
    """Return the service's address by its cluster IP: reachable from pods and from the cluster's nodes."""
    return pulumi.Output.concat("http://", cluster_ip(service), f":{port}")
