"""Cluster-internal Services, and how Pulumi treats them."""

import pulumi
from pulumi_kubernetes.core.v1 import Service

from infra.cluster.pods import labels, selector


def internal_service(
    name: str, namespace: pulumi.Input[str], component: str, port: int, opts: pulumi.ResourceOptions
) -> Service:
    """Make the ClusterIP Service `component` in front of the pods of that component."""
    return Service(
        name,
        metadata={
            "name": component,
            "namespace": namespace,
            "labels": labels(component),
            # Pods refer to their Service; waiting here until it has endpoints would wait for pods that come after it.
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        spec={
            "type": "ClusterIP",
            "selector": selector(component),
            "ports": [{"name": component, "port": port, "target_port": port, "protocol": "TCP"}],
        },
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
