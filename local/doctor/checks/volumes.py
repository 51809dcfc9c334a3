"""Volumes: they are there, and have room."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from local.doctor.checks.objects import full_name, shown
from local.doctor.site import Object, Site
from local.doctor.verdict import NoAnswerError, NotHereError, ProblemError, Severity

# As the alert has it; above the second, writes may fail at any time.
_MUCH, _TOO_MUCH = 0.85, 0.95
# Nodes that are asked at the same time.
_AT_ONCE = 8


def claims(site: Site) -> str:
    """Check that every claim has its volume."""
    found = site.listed("PersistentVolumeClaim")
    if not found:
        raise NotHereError("there are no volumes")
    waiting = [full_name(item) for item in found if item.get("status", {}).get("phase") != "Bound"]
    if waiting:
        raise ProblemError(
            "volumes are missing",
            evidence=shown(waiting),
            remedy="`kubectl -n NAMESPACE describe pvc NAME` says why; check the StorageClass",
        )
    return f"{len(found)} bound"


def usage(site: Site) -> str:
    """Check that no volume is nearly full."""
    if not site.listed("PersistentVolumeClaim"):
        raise NotHereError("there are no volumes")
    nodes = _nodes(site)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as executor:
        told = dict(zip(nodes, executor.map(partial(_summary, site), nodes), strict=True))
    silent = [f"{node}: {answer}" for node, answer in told.items() if isinstance(answer, NoAnswerError)]
    shares = {
        name: share
        for answer in told.values()
        if not isinstance(answer, NoAnswerError)
        for name, share in _shares(site, answer)
    }
    if not shares:
        raise NoAnswerError(f"the kubelets tell no sizes of the volumes{f': {shown(silent)}' if silent else ''}")
    name, share = max(shares.items(), key=lambda item: item[1])
    if share > _MUCH:
        full = sorted(f"{volume}: {part:.0%}" for volume, part in shares.items() if part > _MUCH)
        raise ProblemError(
            "volumes are nearly full",
            evidence=shown(full),
            remedy="raise the section's `storage` if the StorageClass can expand volumes, or delete what is not needed",
            severity=Severity.ERROR if share > _TOO_MUCH else Severity.WARNING,
        )
    more = f"; no answer of {shown(silent)}" if silent else ""
    return f"{len(shares)} have room, the fullest is {name} with {share:.0%}{more}"


def _nodes(site: Site) -> list[str]:
    """Return the nodes on which the platform's pods run: a cluster may have hundreds of others."""
    pods = [pod for pod in site.listed("Pod") if pod["status"].get("phase") == "Running"]
    return sorted({node for pod in pods if (node := pod["spec"].get("nodeName"))})


def _summary(site: Site, node: str) -> Object | NoAnswerError:
    """Return what a kubelet tells, or why it tells nothing: another check finds nodes that are not ready."""
    try:
        return site.read(f"/api/v1/nodes/{node}/proxy/stats/summary")
    except NoAnswerError as reason:
        return reason


def _shares(site: Site, summary: Object) -> Iterator[tuple[str, float]]:
    """Yield the used share of each of the platform's volumes."""
    ours = {full_name(item) for item in site.listed("PersistentVolumeClaim")}
    for pod in summary.get("pods", ()):
        for volume in pod.get("volume", ()):
            claim = volume.get("pvcRef")
            name = f"{claim['namespace']}/{claim['name']}" if claim else ""
            if name in ours and volume.get("capacityBytes"):
                # What the file system keeps for root is not free either.
                yield name, 1 - volume.get("availableBytes", 0) / volume["capacityBytes"]
