"""The source of an existing cluster's images: a registry, or its nodes, which kind, k3d and minikube can load."""

import json
import os
import shutil
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Protocol

from local import paths, progress
from local.errors import LocalError
from local.images import names
from local.images.workshop import Builder
from local.kubeconfig import Context

REGISTRY_ENV = "AEGIS_REGISTRY"
_ANSWER_SECONDS = 10
_LIST_SECONDS = 60
# The manifest types of an image in a registry. The platform's images are never multi-platform indexes.
_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"

Held = Callable[[], Collection[str]]


class Destination(Protocol):
    """The place from which the cluster's nodes get images."""

    def found(self, reference: str) -> str | None:
        """Return the name for pods of an image that is already there, or None if it must be delivered."""
        ...

    def deliver(self, builder: Builder, reference: str, log: Path) -> str:
        """Copy an image there, and return its name for pods.

        Raises:
            LocalError: The copy failed; names the log.
        """
        ...

    def described(self) -> str:
        """Return a description for messages."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """A registry. `address` is `host[:port]/path`. Pods refer to an image by its digest."""

    address: str

    def check(self) -> None:
        """Check that the registry answers. Permissions are only checked by the push.

        Raises:
            LocalError: The registry doesn't answer.
        """
        try:
            self._ask("GET", "")
        except urllib.error.HTTPError:
            return
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            # Docker may be configured to trust the certificate or to skip verification.
            if not isinstance(reason, ssl.SSLError):
                raise LocalError(f"{REGISTRY_ENV} is {self.address}, which does not answer: {reason}") from None

    def found(self, reference: str) -> str | None:
        """Return the image by its digest, or None if the registry doesn't have it or requires a login."""
        repository, tag = self._target(reference)
        try:
            digest = self._ask("HEAD", f"{repository.partition('/')[2]}/manifests/{tag}")
        except (OSError, HTTPException):
            return None
        return f"{repository}@{digest}" if digest else None

    def deliver(self, builder: Builder, reference: str, log: Path) -> str:
        """Push an image, and return it by its digest."""
        repository, tag = self._target(reference)
        plain = names.is_plain_http(self.address)
        return f"{repository}@{builder.push(reference, f'{repository}:{tag}', plain_http=plain, log=log)}"

    def described(self) -> str:
        """Return a description for messages."""
        return f"the registry {self.address}"

    def _target(self, reference: str) -> tuple[str, str]:
        name, _, tag = reference.rpartition("/")[2].partition(":")
        return f"{self.address}/{name}", tag

    def _ask(self, method: str, path: str) -> str | None:
        """Return the digest in the registry's response for a path, if there is one.

        Raises:
            OSError: The registry refuses or doesn't answer.
        """
        local = names.is_plain_http(self.address)
        url = f"{'http' if local else 'https'}://{self.address.partition('/')[0]}/v2/{path}"
        request = urllib.request.Request(url, method=method, headers={"Accept": _MANIFESTS})  # noqa: S310 - see above
        proxies = urllib.request.ProxyHandler({}) if local else urllib.request.ProxyHandler()
        with urllib.request.build_opener(proxies).open(request, timeout=_ANSWER_SECONDS) as answer:
            return answer.headers.get("Docker-Content-Digest")


@dataclass(frozen=True, kw_only=True, slots=True)
class Loader:
    """A program that loads images onto the nodes of its clusters, from Docker's storage or from a file."""

    program: str
    # Arguments that list the clusters, one per line, with the name first.
    clusters: tuple[str, ...]
    from_docker: tuple[str, ...]
    from_file: tuple[str, ...]
    name_option: str

    def listed(self) -> list[str]:
        """Return the names of its clusters on this machine.

        Raises:
            LocalError: The listing failed.
        """
        command = (self.program, *self.clusters)
        listing = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIST_SECONDS)
        if listing.returncode:
            raise LocalError(f"`{' '.join(command)}` failed: {listing.stderr.strip()}")
        return [line.split()[0] for line in listing.stdout.splitlines() if line.strip()]


KIND = Loader(
    program="kind",
    clusters=("get", "clusters"),
    from_docker=("load", "docker-image"),
    from_file=("load", "image-archive"),
    name_option="--name",
)
K3D = Loader(
    program="k3d",
    clusters=("cluster", "list", "--no-headers"),
    from_docker=("image", "import"),
    from_file=("image", "import"),
    name_option="--cluster",
)
MINIKUBE = Loader(
    program="minikube",
    # Its list is a formatted table.
    clusters=(),
    from_docker=("image", "load"),
    from_file=("image", "load"),
    name_option="--profile",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Nodes:
    """The nodes of the loader's cluster `name`. `held` returns the images that all of them have."""

    loader: Loader
    name: str
    held: Held

    def check(self, context: str) -> None:
        """Check that the loader is installed and knows the cluster.

        Raises:
            LocalError: It isn't or doesn't; names the clusters that it knows.
        """
        program = self.loader.program
        if not shutil.which(program):
            raise LocalError(
                f"The context {context} belongs to {program}, which isn't on PATH: install it to load the "
                f"images, or set {REGISTRY_ENV} to a registry that the cluster's nodes pull from."
            )
        if self.loader.clusters and self.name not in (known := self.loader.listed()):
            raise LocalError(
                f"The context {context} belongs to the {program} cluster {self.name}, which {program} doesn't know: "
                f"its clusters are {', '.join(known) or 'none'}."
            )

    def found(self, reference: str) -> str | None:
        """Return the image's reference if every node has it."""
        return reference if reference in self.held() else None

    def deliver(self, builder: Builder, reference: str, log: Path) -> str:
        """Load an image onto every node under its reference."""
        option = (self.loader.name_option, self.name)
        if builder.name == "docker":
            progress.run([self.loader.program, *self.loader.from_docker, reference, *option], log=log)
            return reference
        with tempfile.TemporaryDirectory(prefix="load-", dir=_scratch()) as folder:
            file = Path(folder) / "image.tar"
            builder.save(reference, file, log)
            progress.run([self.loader.program, *self.loader.from_file, file, *option], log=log)
        return reference

    def described(self) -> str:
        """Return a description for messages."""
        return f"the nodes of the {self.loader.program} cluster {self.name}"


def choose(context: Context, held: Held) -> Destination:
    """Return the destination for a context's cluster: the registry that the user names, else its nodes.

    Raises:
        LocalError: There is no usable destination; says what to set.
    """
    if address := os.environ.get(REGISTRY_ENV):
        registry = Registry(address=names.registry(REGISTRY_ENV, address))
        registry.check()
        return registry
    loader, name = _loader(context)
    if loader is None:
        raise LocalError(
            f"The context {context.name} doesn't belong to kind, k3d or minikube, which can load images onto nodes: "
            f"set {REGISTRY_ENV} to a registry that the cluster's nodes pull from, as host[:port][/path]."
        )
    nodes = Nodes(loader=loader, name=name, held=held)
    nodes.check(context.name)
    return nodes


def _loader(context: Context) -> tuple[Loader | None, str]:
    """Return the loader of a context's cluster, going by the context's name, and the loader's name for the cluster."""
    if context.is_minikube:
        return MINIKUBE, context.name
    for loader in (KIND, K3D):
        prefix = f"{loader.program}-"
        if context.name.startswith(prefix) and context.name != prefix:
            return loader, context.name.removeprefix(prefix)
    return None, context.name


def images_on_nodes(kubectl: Sequence[str | Path]) -> Collection[str]:
    """Return the images that every node reports, or none if the nodes can't be queried.

    The kubelet reports at most 50: https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/.
    """
    listing = subprocess.run([*kubectl, "get", "nodes", "--output=json"], capture_output=True, text=True, check=False)
    if listing.returncode:
        return set()
    nodes = json.loads(listing.stdout)["items"]
    held = [{name for image in node["status"].get("images", ()) for name in image.get("names") or ()} for node in nodes]
    return set.intersection(*held) if held else set()


def _scratch() -> Path:
    folder = paths.images_cache() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
