"""The kubeconfigs of the parts and of the administrator: the API server's address, and each one's identity."""

import base64
import json
from pathlib import Path

from local import paths
from local.cluster import pki
from local.cluster.layout import Layout
from local.processes import write_whole

CONTEXT = "aegis"


def path(name: str) -> Path:
    """Return the kubeconfig of a part."""
    return paths.config() / f"{name}.kubeconfig"


def text(layout: Layout, name: str) -> str:
    """Return a kubeconfig with the certificate and key `name` embedded; JSON is valid YAML."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [
            {
                "name": CONTEXT,
                "cluster": {
                    "server": layout.api_url,
                    "certificate-authority-data": _embedded(pki.certificate(pki.CLUSTER_CA)),
                },
            }
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _embedded(pki.certificate(name)),
                    "client-key-data": _embedded(pki.key(name)),
                },
            }
        ],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": name}}],
    }
    return json.dumps(config, indent=2)


def write_admin(layout: Layout) -> None:
    """Write the administrator's kubeconfig, for kubectl, pulumi and the tests."""
    write_whole(paths.kubeconfig(), text(layout, "admin"), 0o600)


def _embedded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
