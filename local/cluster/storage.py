"""Persistent volumes: folders of this machine, created on demand for the StorageClass `standard`."""

import json
from collections.abc import Mapping
from pathlib import Path

from local import paths
from local.cluster import kubeconfigs
from local.cluster.layout import NODE_NAME, Layout
from local.cluster.part import Part, flags

PROVISIONER = "aegis.local/path"
NAMESPACE = "kube-system"


def local_path_provisioner(layout: Layout, tools: Mapping[str, Path], helper_image: str) -> Part:
    """Return the part that creates a folder for each claim; `helper_image` needs a shell, mkdir and rm."""
    kubeconfig = kubeconfigs.path("local-path-provisioner")
    folder = paths.config() / "local-path"
    config, helper = folder / "config.json", folder / "helperPod.yaml"
    return Part(
        name="local-path-provisioner",
        argv=(
            str(tools["local-path-provisioner"]),
            "start",
            *flags(
                kubeconfig=kubeconfig,
                config=config,
                provisioner_name=PROVISIONER,
                namespace=NAMESPACE,
                helper_image=helper_image,
                helper_pod_file=helper,
                service_account_name="default",
                configmap_name="local-path-config",
            ),
        ),
        files=lambda: {
            kubeconfig: kubeconfigs.text(layout, "local-path-provisioner"),
            config: json.dumps({"nodePathMap": [{"node": NODE_NAME, "paths": [str(paths.volumes())]}]}),
            helper: json.dumps(_helper_pod(helper_image)),
        },
        after=("kube-apiserver",),
    )


def _helper_pod(image: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "helper-pod"},
        "spec": {
            "priorityClassName": "system-node-critical",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsUser": 0},
            "containers": [{"name": "helper-pod", "image": image, "imagePullPolicy": "IfNotPresent"}],
        },
    }
