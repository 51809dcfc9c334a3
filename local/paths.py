"""Where the embedded platform keeps its files: the only place that knows.

Three roots: the cache, which can be deleted at any time at the price of building again; the home, which is the
platform's data; and the runtime folder, which holds sockets and container state and is empty after a reboot.

An existing cluster has a home of its own, within the home of all: neither its stack nor its images are another's.
"""

import os
import urllib.parse
from pathlib import Path

import contracts
from local.errors import LocalError

REPOSITORY = Path(__file__).resolve().parent.parent


# Within the home: the homes of the existing clusters that AEGIS_CONTEXT has named.
EXISTING = "contexts"

# All that the home holds, by name: what `make clean` deletes.
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
    "volumes",
)


def cache() -> Path:
    """Return the folder of built tools and images: `AEGIS_CACHE`, else `~/.cache/aegis`."""
    return _root("AEGIS_CACHE", Path.home() / ".cache" / "aegis")


def home() -> Path:
    """Return the folder of the platform's state: `AEGIS_HOME`, else `~/.local/state/aegis`.

    With `AEGIS_CONTEXT` it is the folder of that cluster within, called as the context is, percent-encoded.
    """
    top = _root("AEGIS_HOME", Path.home() / ".local" / "state" / "aegis")
    context = os.environ.get(contracts.CONTEXT_ENV)
    return top / EXISTING / _as_name(context) if context else top


def _as_name(context: str) -> str:
    """Return a context as the name of a folder, which can't be one of the dots that lead elsewhere."""
    return urllib.parse.quote(context, safe="").replace(".", "%2E")


def runtime() -> Path:
    """Return the folder of the cluster's sockets and container state: a short name, and empty after a reboot."""
    return _runtime() / "cluster"


def builder_runtime() -> Path:
    """Return the folder of what a builder of images keeps of its running containers: empty after a reboot."""
    return _runtime() / "buildah"


def _runtime() -> Path:
    """Return a folder that a reboot empties: who isn't root has one of the session's, or a new one for each boot."""
    if os.geteuid() == 0:
        return Path("/run/aegis")
    session = os.environ.get("XDG_RUNTIME_DIR")
    return Path(session) / "aegis" if session else cache() / "run" / boot()


def boot() -> str:
    """Return what the kernel calls the time since it was started, which no other boot of any machine is called."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


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


def cluster_file() -> Path:
    """Return the JSON file that says which existing cluster this home belongs to."""
    return home() / "cluster.json"


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
