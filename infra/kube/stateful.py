"""Servers with a single instance that keep their data on volumes."""

from collections.abc import Mapping

import pulumi
from pulumi_kubernetes.apps.v1 import StatefulSet
from pulumi_kubernetes.core.v1 import PersistentVolumeClaimArgsDict, PodSpecArgsDict

from infra.kube.pods import labels, metadata, selector
from infra.kube.services import headless_service


def single_instance(
    name: str,
    namespace: pulumi.Input[str],
    component: str,
    pod: PodSpecArgsDict,
    *,
    port: int,
    storage_class: str,
    volumes: Mapping[str, str],
    parent: pulumi.Resource,
) -> StatefulSet:
    """Make the StatefulSet `component` with one pod, and a claim for each of `volumes`, which are sizes by name.

    It also makes the headless Service on `port` that a StatefulSet needs for its pod's DNS name. The Service that
    callers use is separate.
    """
    pods = headless_service(f"{name}-pods", namespace, component, port, pulumi.ResourceOptions(parent=parent))
    return StatefulSet(
        name,
        metadata=metadata(namespace, component, component),
        spec={
            "service_name": pods.metadata.name,
            "replicas": 1,
            # OrderedReady never replaces a stuck pod.
            "pod_management_policy": "Parallel",
            "selector": {"match_labels": selector(component)},
            "template": {"metadata": {"labels": labels(component)}, "spec": pod},
            "volume_claim_templates": [_claim(volume, storage_class, size) for volume, size in volumes.items()],
        },
        # The claims are named after the StatefulSet and outlive it. A replacement needs the same name to find them.
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True),
    )


def _claim(name: str, storage_class: str, size: str) -> PersistentVolumeClaimArgsDict:
    return {
        "metadata": {"name": name},
        "spec": {
            "access_modes": ["ReadWriteOnce"],
            "storage_class_name": storage_class,
            "resources": {"requests": {"storage": size}},
        },
    }
