"""The cluster's own objects: roles, the StorageClass, the name server and the metrics server.

Their manifests are in `manifests/`. They are applied server-side, so applying them again changes nothing.
"""

import base64
import json
import string
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from local import paths
from local.cluster import pki
from local.cluster.layout import CLUSTER_DOMAIN, Layout
from local.errors import LocalError

MANIFESTS = Path(__file__).parent / "manifests"
FIELD_MANAGER = "aegis"
NAMESPACE = "kube-system"
# Images of the manifests, by their names in the image catalogue.
IMAGES = ("coredns", "metrics-server")
WAIT_SECONDS = 120


def apply(kubectl: Path, layout: Layout, images: Mapping[str, str]) -> None:
    """Apply every manifest.

    Raises:
        LocalError: The API server refuses an object; names it.
    """
    apply_objects(kubectl, render(layout, images))


def apply_objects(kubectl: Path, objects: Sequence[Mapping[str, Any]]) -> None:
    """Apply objects server-side.

    Raises:
        LocalError: The API server refuses an object; names it.
    """
    _kubectl(
        kubectl,
        "apply",
        "--server-side",
        "--force-conflicts",
        f"--field-manager={FIELD_MANAGER}",
        "--filename=-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
    )


def wait(kubectl: Path, workload: str, namespace: str = NAMESPACE) -> None:
    """Wait until a workload, such as `deployment/coredns`, is up to date and available.

    Raises:
        LocalError: It is not available in time; says what its pods wait for.
    """
    try:
        _kubectl(kubectl, "rollout", "status", workload, f"--timeout={WAIT_SECONDS}s", namespace=namespace)
    except LocalError as error:
        warnings = ("--field-selector=type=Warning", "--output=custom-columns=:.message")
        events = _kubectl(kubectl, "get", "events", *warnings, namespace=namespace)
        reason = (events.split("\n")[-2:-1] or [str(error)])[0]
        message = f"{workload} is not available after {WAIT_SECONDS} s: {reason}"
        raise LocalError(message, paths.logs() / "kubelet.log") from error


def _kubectl(program: Path, *arguments: str, stdin: str | None = None, namespace: str | None = None) -> str:
    scope = [f"--namespace={namespace}"] if namespace else []
    result = subprocess.run(
        [program, f"--kubeconfig={paths.kubeconfig()}", *scope, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise LocalError(f"kubectl {arguments[0]} failed: {result.stderr.strip()}")
    return result.stdout


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
    return [manifest for file in sorted(MANIFESTS.glob("*.yaml")) for manifest in fill_in(file, values)]


def fill_in(file: Path, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the objects of a manifest file, with the placeholders replaced by `values`."""
    return list(yaml.safe_load_all(string.Template(file.read_text()).safe_substitute(values)))


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
