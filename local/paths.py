"""Paths of the embedded platform's files; no other module builds them.

There are three roots. The cache can be deleted at any time; its contents are then built again. The home is the
platform's data. The runtime folder holds sockets and container state, and is empty after a reboot.

Each existing cluster has a home inside the platform's home, because it has its own stack and images.
"""

import os
import urllib.parse
from pathlib import Path

import contracts
from local.errors import LocalError

REPOSITORY = Path(__file__).resolve().parent.parent


# Folder of the home that holds the homes of existing clusters, those that AEGIS_CONTEXT has named.
EXISTING = "contexts"

# Everything in the home that the platform creates and `make clean` deletes.
CONTENTS = (
    "aws",
    "cluster.json",
    "config",
    "containerd",
    "etcd",
    "images.json",
    "kubeconfig",
    "kubelet",
    "lock",
    "logs",
    "network.json",
    "passphrase",
    "pki",
    "pulumi",
    "run",
    "signing-keys.pem",
    "volumes",
)


def cache() -> Path:
    """Return the folder of built tools and images: `AEGIS_CACHE`, else `~/.cache/aegis`."""
    return _root("AEGIS_CACHE", Path.home() / ".cache" / "aegis")


def home() -> Path:
    """Return the folder of the platform's state: `AEGIS_HOME`, else `~/.local/state/aegis`.

    With `AEGIS_CONTEXT` it is that cluster's folder in it, named after the context, percent-encoded.
    """
    top = _root("AEGIS_HOME", Path.home() / ".local" / "state" / "aegis")
    context = os.environ.get(contracts.CONTEXT_ENV)
    return top / EXISTING / _as_name(context) if context else top


def _as_name(context: str) -> str:
    """Return a folder name for a context; it is never `.` or `..`."""
    return urllib.parse.quote(context, safe="").replace(".", "%2E")


def runtime() -> Path:
    """Return the folder of sockets and container state, empty after a reboot; sockets need its short path."""
    return _runtime() / "cluster"


def builder_runtime() -> Path:
    """Return the folder where an image builder keeps the state of running containers; empty after a reboot."""
    return _runtime() / "buildah"


def _runtime() -> Path:
    """Return a folder that is empty after a reboot; without root, the session's folder or a new one for each boot."""
    if os.geteuid() == 0:
        return Path("/run/aegis")
    session = os.environ.get("XDG_RUNTIME_DIR")
    return Path(session) / "aegis" if session else cache() / "run" / boot()


def boot() -> str:
    """Return the kernel's id of the current boot, which is unique among all boots and machines."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _root(variable: str, default: Path) -> Path:
    value = os.environ.get(variable)
    if not value:
        return default
    path = Path(value)
    if not path.is_absolute() or path == Path("/"):
        raise LocalError(f"{variable} must be an absolute path other than the root folder, got {value!r}.")
    return path


def bin_dir() -> Path:
    """Return the folder of the built tools."""
    return cache() / "bin"


def images_cache() -> Path:
    """Return the folder of the built images' OCI archives."""
    return cache() / "images"


def images_file() -> Path:
    """Return the JSON file that maps each image's name to its reference."""
    return home() / "images.json"


def signing_keys_file() -> Path:
    """Return the PEM file with the public keys that the stack trusts."""
    return home() / "signing-keys.pem"


def cluster_file() -> Path:
    """Return the JSON file that identifies the existing cluster that this home belongs to."""
    return home() / "cluster.json"


def kubeconfig() -> Path:
    """Return the administrator's kubeconfig."""
    return home() / "kubeconfig"


def pki() -> Path:
    """Return the folder of the platform's certificates and keys."""
    return home() / "pki"


def config() -> Path:
    """Return the folder of the parts' configuration files, which each `make up` rewrites."""
    return home() / "config"


def logs() -> Path:
    """Return the folder of the parts' logs, one `<part>.log` each."""
    return home() / "logs"


def run() -> Path:
    """Return the folder of the parts' pid files, one `<part>.pid` each."""
    return home() / "run"


def aws() -> Path:
    """Return the folder of the emulated AWS account's data and its administrator's key."""
    return home() / "aws"


def volumes() -> Path:
    """Return the folder of the cluster's persistent volumes."""
    return home() / "volumes"


def pulumi() -> Path:
    """Return the folder of Pulumi's state backend and its own home."""
    return home() / "pulumi"


def passphrase() -> Path:
    """Return the file that holds the passphrase of the stack's secrets."""
    return home() / "passphrase"
