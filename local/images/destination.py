"""Where an existing cluster has its images from: a registry, or its nodes, which kind, k3d and minikube can load."""

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
# What a registry may have an image as; ours are never an index of several.
_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"

Held = Callable[[], Collection[str]]


class Destination(Protocol):
    """A place that the cluster's nodes have images from."""

    def found(self, reference: str) -> str | None:
        """Return what a pod is to call an image that is there already; None if it has to be delivered."""
        ...

    def deliver(self, builder: Builder, reference: str, log: Path) -> str:
        """Bring an image there, and return what a pod is to call it.

        Raises:
            LocalError: It failed; names the log.
        """
        ...

    def described(self) -> str:
        """Return where that is, in words."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """A registry: `address` is `host[:port]/path`, and pods call an image by its digest there."""

    address: str

    def check(self) -> None:
        """Refuse a registry that doesn't answer at all; what it lets whom do, the push will tell.

        Raises:
            LocalError: It doesn't answer.
        """
        try:
            self._ask("GET", "")
        except urllib.error.HTTPError:
            return
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            # Docker may be told to trust its certificate, or to do without one.
            if not isinstance(reason, ssl.SSLError):
                raise LocalError(f"{REGISTRY_ENV} is {self.address}, which does not answer: {reason}") from None

    def found(self, reference: str) -> str | None:
        """Return the image by its digest in the registry; None if it isn't there, or only its users may know."""
        repository, tag = self._target(reference)
        try:
            digest = self._ask("HEAD", f"{repository.partition('/')[2]}/manifests/{tag}")
        except (OSError, HTTPException):
            return None
        return f"{repository}@{digest}" if digest else None

    def deliver(self, builder: Builder, reference: str, log: Path) -> str:
        """Push an image, and return it by its digest in the registry."""
        repository, tag = self._target(reference)
        plain = names.is_plain_http(self.address)
        return f"{repository}@{builder.push(reference, f'{repository}:{tag}', plain_http=plain, log=log)}"

    def described(self) -> str:
        """Return where that is, in words."""
        return f"the registry {self.address}"

    def _target(self, reference: str) -> tuple[str, str]:
        name, _, tag = reference.rpartition("/")[2].partition(":")
        return f"{self.address}/{name}", tag

    def _ask(self, method: str, path: str) -> str | None:
        """Return the digest that the registry names for what lies at a path, if it names one.

        Raises:
            OSError: It refuses, or does not answer.
        """
        local = names.is_plain_http(self.address)
        url = f"{'http' if local else 'https'}://{self.address.partition('/')[0]}/v2/{path}"
        request = urllib.request.Request(url, method=method, headers={"Accept": _MANIFESTS})  # noqa: S310 - see above
        proxies = urllib.request.ProxyHandler({}) if local else urllib.request.ProxyHandler()
        with urllib.request.build_opener(proxies).open(request, timeout=_ANSWER_SECONDS) as answer:
            return answer.headers.get("Docker-Content-Digest")


@dataclass(frozen=True, kw_only=True, slots=True)
class Loader:
    """A program that puts images onto the nodes of its clusters, from Docker's storage or from a file."""

    program: str
    # Asks for the names of its clusters, one a line, in the first word.
    clusters: tuple[str, ...]
    from_docker: tuple[str, ...]
    from_file: tuple[str, ...]
    name_option: str

    def listed(self) -> list[str]:
        """Return the names of its clusters here.

        Raises:
            LocalError: It can't tell.
        """
        command = (self.program, *self.clusters)
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIST_SECONDS)
        if told.returncode:
            raise LocalError(f"`{' '.join(command)}` failed: {told.stderr.strip()}")
        return [line.split()[0] for line in told.stdout.splitlines() if line.strip()]


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
    # Its own listing is a drawing of a table.
    clusters=(),
    from_docker=("image", "load"),
    from_file=("image", "load"),
    name_option="--profile",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Nodes:
    """The nodes of the cluster `name` of a loader's; `held` tells which images all of them have."""

    loader: Loader
    name: str
    held: Held

    def check(self, context: str) -> None:
        """Refuse a cluster that the loader isn't here for, or doesn't know.

        Raises:
            LocalError: Names the clusters that it knows.
        """
        program = self.loader.program
        if not shutil.which(program):
            raise LocalError(
                f"The context {context} is of {program}, which is not on PATH to load images with: install it, "
                f"or set {REGISTRY_ENV} to a registry that the cluster's nodes pull from."
            )
        if self.loader.clusters and self.name not in (known := self.loader.listed()):
            raise LocalError(
                f"The context {context} is of the {program} cluster {self.name}, which {program} does not know here: "
                f"its clusters are {', '.join(known) or 'none'}."
            )

    def found(self, reference: str) -> str | None:
        """Return the image by its own name, if every node has it."""
        return reference if reference in self.held() else None

    def deliver(self, builder: Builder, reference: str, log: Path) -> str:
        """Load an image onto every node, under its own name."""
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
        """Return where that is, in words."""
        return f"the nodes of the {self.loader.program} cluster {self.name}"


def choose(context: Context, held: Held) -> Destination:
    """Return where the cluster of a context has images from: the registry that the user names, else its nodes.

    Raises:
        LocalError: There is no such place, or it isn't here; tells what to set.
    """
    if given := os.environ.get(REGISTRY_ENV):
        registry = Registry(address=names.registry(REGISTRY_ENV, given))
        registry.check()
        return registry
    loader, name = _loader(context)
    if loader is None:
        raise LocalError(
            f"The context {context.name} is of neither kind, k3d nor minikube, whose nodes can be given images: set "
            f"{REGISTRY_ENV} to a registry that the cluster's nodes pull from, as host[:port][/path]."
        )
    nodes = Nodes(loader=loader, name=name, held=held)
    nodes.check(context.name)
    return nodes


def _loader(context: Context) -> tuple[Loader | None, str]:
    """Return whose cluster a context is of, which its name tells, and what that program calls the cluster."""
    if context.is_minikube:
        return MINIKUBE, context.name
    for loader in (KIND, K3D):
        prefix = f"{loader.program}-"
        if context.name.startswith(prefix) and context.name != prefix:
            return loader, context.name.removeprefix(prefix)
    return None, context.name


def images_on_nodes(kubectl: Sequence[str | Path]) -> Collection[str]:
    """Return the references of the images that every node has, as far as the nodes tell; none if they can't be asked.

    The kubelet names 50 of them: https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/.
    """
    told = subprocess.run([*kubectl, "get", "nodes", "--output=json"], capture_output=True, text=True, check=False)
    if told.returncode:
        return set()
    nodes = json.loads(told.stdout)["items"]
    held = [{name for image in node["status"].get("images", ()) for name in image.get("names") or ()} for node in nodes]
    return set.intersection(*held) if held else set()


def _scratch() -> Path:
    folder = paths.images_cache() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
