"""What runs in the cluster for the cluster: roles, the StorageClass, the name server and the metrics server.

The manifests lie in `manifests/`; they are applied on the server's side, so applying them again changes nothing.
"""

import base64
import string
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config, dynamic
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from local import paths
from local.cluster import pki
from local.cluster.layout import CLUSTER_DOMAIN, Layout
from local.errors import LocalError

MANIFESTS = Path(__file__).parent / "manifests"
FIELD_MANAGER = "aegis"
NAMESPACE = "kube-system"
# Images that the manifests need, by their names in the image catalogue.
IMAGES = ("coredns", "metrics-server")
WAIT_SECONDS = 120


def apply(layout: Layout, images: Mapping[str, str]) -> None:
    """Apply every manifest.

    Raises:
        LocalError: The API server refuses an object; names it.
    """
    api = dynamic.DynamicClient(_api())
    for manifest in render(layout, images):
        kind = api.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        metadata = manifest["metadata"]
        try:
            kind.server_side_apply(
                body=manifest,
                name=metadata["name"],
                namespace=metadata.get("namespace"),
                field_manager=FIELD_MANAGER,
                force_conflicts=True,
            )
        except ApiException as error:
            raise LocalError(
                f"{manifest['kind']} {metadata['name']} was refused: {error.reason}: {error.body}"
            ) from error


def render(layout: Layout, images: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return every object of the manifests, with this platform's addresses, images and certificates filled in."""
    values = {
        "cluster_domain": CLUSTER_DOMAIN,
        "dns_ip": layout.dns_ip,
        "ca": _encoded(pki.certificate(pki.CLUSTER_CA)),
        "metrics_certificate": _encoded(pki.certificate("metrics-server")),
        "metrics_key": _encoded(pki.key("metrics-server")),
        **{f"image_{name.replace('-', '_')}": images[name] for name in IMAGES},
    }
    return [
        manifest
        for file in sorted(MANIFESTS.glob("*.yaml"))
        for manifest in yaml.safe_load_all(string.Template(file.read_text()).safe_substitute(values))
    ]


def wait(names: tuple[str, ...] = IMAGES, seconds: float = WAIT_SECONDS) -> None:
    """Wait until these Deployments are up to date and available.

    Raises:
        LocalError: One isn't in time; says what its pods wait for.
    """
    api = client.AppsV1Api(_api())
    deadline = time.monotonic() + seconds
    waiting = list(names)
    while waiting:
        if _is_available(api, waiting[0]):
            waiting.pop(0)
        elif time.monotonic() > deadline:
            raise LocalError(
                f"{waiting[0]} is not available after {seconds:.0f} s: {_pods_reason(waiting[0])}",
                paths.logs() / "kubelet.log",
            )
        else:
            time.sleep(0.5)


def _is_available(api: client.AppsV1Api, name: str) -> bool:
    try:
        deployment: Any = api.read_namespaced_deployment_status(name, NAMESPACE)
    except (ApiException, HTTPError):
        return False
    status = deployment.status
    return (
        status.observed_generation == deployment.metadata.generation
        and status.updated_replicas == status.replicas == status.available_replicas
    )


def _pods_reason(name: str) -> str:
    pods: Any = client.CoreV1Api(_api()).list_namespaced_pod(NAMESPACE)
    for pod in pods.items:
        if pod.metadata.name.startswith(f"{name}-"):
            for container in pod.status.container_statuses or ():
                if container.state.waiting:
                    return f"{container.state.waiting.reason}: {container.state.waiting.message}"
            return f"its pod is {pod.status.phase}"
    return "it has no pod"


def _api() -> client.ApiClient:
    return config.new_client_from_config(str(paths.kubeconfig()))


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
