"""The embedded Kubernetes cluster: real parts, one node, nothing outside the platform's own folders and /run.

This module is all that the commands see of it; each file beside it holds one concept.
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

# Tools and images that the cluster is made of, by their names in the catalogues.
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
    """What a part of the cluster is doing; `trouble` says what is wrong with it, if anything."""

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
    """Return the parts to ask about, not to start: their programs and images may not be here."""
    return _parts(where, {name: Path(name) for name in TOOLS}, dict.fromkeys(IMAGES, ""))


def start_runtime(tools: Mapping[str, Path], images: Mapping[str, str]) -> Layout:
    """Start containerd, so that images can be loaded, on a machine that has been made ready for the cluster."""
    where = layout.load()
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
    """Start every part that doesn't run, apply what the cluster itself needs, and wait until pods can be used.

    The images must be loaded.
    """
    lifecycle.start(controlplane.parts(where, tools))
    # Before the other parts start: the manifests give them their roles.
    addons.apply(tools["kubectl"], where, images)
    lifecycle.start(_parts(where, tools, images))
    addons.wait(tools["kubectl"], "deployment/coredns")


def stop() -> list[str]:
    """End every process, container, mount, link and firewall rule of the cluster; its data stays.

    Returns the names of the processes that ran.
    """
    if claim.is_others():
        return processes.stop(names())
    last = ("containerd", "kube-apiserver", "etcd")
    with progress.step("Stopping the node's agents"):
        stopped = processes.stop([name for name in names() if name not in last])
    with progress.step("Ending the containers"):
        containers.end_all()
    with progress.step("Stopping containerd, the API server and etcd"):
        for name in last:
            stopped += processes.stop([name])
    with progress.step("Taking mounts, cgroups and network away"):
        forget_runtime()
    return stopped


def forget_runtime() -> None:
    """Take away all that a reboot would: containers, mounts, cgroups, the network and what lies in /run."""
    containers.end_all()
    containers.unmount_all()
    containers.remove_cgroups()
    network.remove()
    _forget_elsewhere()
    shutil.rmtree(paths.runtime(), ignore_errors=True)


def _forget_elsewhere() -> None:
    """Delete what the parts keep of our containers in folders that can't be chosen: network results, links to logs."""
    for result in Path("/var/lib/cni/results").glob("aegis-*"):
        result.unlink(missing_ok=True)
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(paths.logs()):
            link.unlink(missing_ok=True)


def address() -> str | None:
    """Return the API server's address, if the cluster has been up before."""
    where = layout.known()
    return where.api_url if where else None


def health() -> list[Health]:
    """Return each process of the cluster with its state, and whether it is ready."""
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
