"""The embedded Kubernetes cluster: real components on one node, with all files in the platform's folders and /run.

The commands use only this module; each other file of the package holds one concept.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local import paths, processes, progress
from local.cluster import (
    addons,
    claim,
    containers,
    controlplane,
    kubeconfigs,
    layout,
    lifecycle,
    network,
    node,
    pki,
    storage,
)
from local.cluster.layout import Layout
from local.cluster.part import Part
from local.processes import State

# Tools and images of the cluster, by their names in the catalogues.
TOOLS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kube-router",
    "local-path-provisioner",
    "kubectl",
)
PAUSE_IMAGE = "pause"
HELPER_IMAGE = "base"
IMAGES = (PAUSE_IMAGE, HELPER_IMAGE, *addons.IMAGES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """State of a part of the platform; `trouble` says what is wrong with it, if anything."""

    name: str
    state: State
    pid: int | None
    addresses: tuple[str, ...]
    trouble: str | None


def _parts(where: Layout, tools: Mapping[str, Path], images: Mapping[str, str]) -> tuple[Part, ...]:
    return (
        *controlplane.parts(where, tools),
        *node.parts(where, tools, images[PAUSE_IMAGE]),
        network.kube_router(where, tools),
        storage.local_path_provisioner(where, tools, images[HELPER_IMAGE]),
    )


def names() -> tuple[str, ...]:
    """Return the names of the cluster's processes."""
    return tuple(part.name for part in _described(layout.Layout(block=layout.Network(layout.CANDIDATES[0]))))


def _described(where: Layout) -> tuple[Part, ...]:
    """Return the parts to query but not to start: their programs and images may be missing."""
    return _parts(where, {name: Path(name) for name in TOOLS}, dict.fromkeys(IMAGES, ""))


def start_runtime(tools: Mapping[str, Path], images: Mapping[str, str]) -> Layout:
    """Prepare the machine, and start etcd and containerd, so that images can be loaded."""
    where = layout.load()
    if claim.is_abandoned():
        with progress.step("Removing what a platform that was killed has left"):
            forget_runtime()
    claim.take()
    network.check()
    network.ensure(where)
    containers.make_cgroups()
    paths.volumes().mkdir(parents=True, exist_ok=True)
    pki.ensure(where)
    kubeconfigs.write_admin(where)
    lifecycle.start(part for part in _parts(where, tools, images) if part.name in {"containerd", "etcd"})
    return where


def start(where: Layout, tools: Mapping[str, Path], images: Mapping[str, str]) -> None:
    """Start every part that does not run, apply the cluster's own objects, and wait until pods can run.

    The images must be loaded already.
    """
    lifecycle.start(controlplane.parts(where, tools))
    # Before the other parts start, because the manifests contain their roles.
    addons.apply(tools["kubectl"], where, images)
    lifecycle.start(_parts(where, tools, images))
    addons.wait(tools["kubectl"], "deployment/coredns")


def stop() -> list[str]:
    """Stop every process and container, and remove every mount, link and firewall rule; the data stays.

    Return the names of the processes that were running.
    """
    if claim.is_others():
        return processes.stop(names())
    last = ("containerd", "kube-apiserver", "etcd")
    with progress.step("Stopping the node's agents"):
        stopped = processes.stop([name for name in names() if name not in last])
    with progress.step("Stopping the containers"):
        containers.end_all()
    with progress.step("Stopping containerd, the API server and etcd"):
        for name in last:
            stopped += processes.stop([name])
    with progress.step("Removing mounts, cgroups and network"):
        forget_runtime()
    return stopped


def forget_runtime() -> None:
    """Remove everything that a reboot would remove: containers, mounts, cgroups, the network and the files in /run."""
    containers.end_all()
    containers.unmount_all()
    containers.remove_cgroups()
    network.remove()
    _forget_elsewhere()
    shutil.rmtree(paths.runtime(), ignore_errors=True)


def _forget_elsewhere() -> None:
    """Delete what the parts write in fixed folders for our containers: network results and links to logs."""
    for result in Path("/var/lib/cni/results").glob("aegis-*"):
        result.unlink(missing_ok=True)
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(paths.logs()):
            link.unlink(missing_ok=True)


def address() -> str | None:
    """Return the API server's address; None if the cluster was never up."""
    where = layout.known()
    return where.api_url if where else None


def health() -> list[Health]:
    """Return the state of each process of the cluster, and whether it is ready."""
    where = layout.known()
    if where is None:
        return [Health(name=name, state=State.STOPPED, pid=None, addresses=(), trouble=None) for name in names()]
    return [_health(part) for part in _described(where)]


def _health(part: Part) -> Health:
    state, trouble = lifecycle.health(part)
    running = processes.running(part.name)
    return Health(
        name=part.name, state=state, pid=running.pid if running else None, addresses=part.listens, trouble=trouble
    )
