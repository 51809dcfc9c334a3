"""Where the embedded platform keeps its files: the only place that knows.

Three roots: the cache, which can be deleted at any time at the price of building again; the home, which is the
platform's data; and the runtime folder, which holds sockets and container state and is empty after a reboot.
"""

import os
from pathlib import Path

from local.errors import LocalError

REPOSITORY = Path(__file__).resolve().parent.parent


# All that the home holds, by name: what `make clean` deletes.
CONTENTS = (
    "aws",
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
    "volumes",
)


def cache() -> Path:
    """Return the folder of built tools and images: `AEGIS_CACHE`, else `~/.cache/aegis`."""
    return _root("AEGIS_CACHE", Path.home() / ".cache" / "aegis")


def home() -> Path:
    """Return the folder of the platform's state: `AEGIS_HOME`, else `~/.local/state/aegis`."""
    return _root("AEGIS_HOME", Path.home() / ".local" / "state" / "aegis")


def runtime() -> Path:
    """Return the folder of the cluster's sockets and container state: a short name, and empty after a reboot."""
    return Path("/run/aegis/cluster")


def _root(variable: str, default: Path) -> Path:
    given = os.environ.get(variable)
    if not given:
        return default
    path = Path(given)
    if not path.is_absolute() or path == Path("/"):
        raise LocalError(f"{variable} is {given!r}: it must be an absolute path, and not the root folder.")
    return path


def bin_dir() -> Path:
    """Return the folder of the tools that were built here."""
    return cache() / "bin"


def images_cache() -> Path:
    """Return the folder of the built images' OCI archives."""
    return cache() / "images"


def images_file() -> Path:
    """Return the JSON file that maps each image's name to its reference."""
    return home() / "images.json"


def kubeconfig() -> Path:
    """Return the administrator's kubeconfig."""
    return home() / "kubeconfig"


def pki() -> Path:
    """Return the folder of the platform's certificates and keys."""
    return home() / "pki"


def config() -> Path:
    """Return the folder of the parts' configuration files, written anew by each `make up`."""
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
