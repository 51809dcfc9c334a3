"""Deployments, StatefulSets and their pods."""

from collections.abc import Iterator
from datetime import timedelta

from local.cluster.workloads import why_not
from local.doctor.checks.objects import full_name, of_stack, shown, time
from local.doctor.site import Object, Site
from local.doctor.verdict import ProblemError, Severity

# Until then a pod may be starting: the server's own probe waits as long.
_START = timedelta(minutes=5)
_RECENT = timedelta(hours=1)
_LOOK = "`kubectl -n NAMESPACE describe pod NAME` says why"


def workloads(site: Site) -> str:
    """Check that every Deployment and StatefulSet has its replicas."""
    found = [*site.listed("Deployment"), *site.listed("StatefulSet")]
    down = [f"{full_name(item)}: {reason}" for item in found if (reason := why_not(item))]
    if down:
        raise ProblemError(
            f"{len(down)} of {len(found)} workloads are not in service",
            evidence=shown(down),
            remedy="`kubectl -n NAMESPACE get pods` and `describe` say what they wait for",
        )
    if none := [full_name(item) for item in found if of_stack(item) and item["spec"].get("replicas") == 0]:
        raise ProblemError(
            "workloads are scaled to 0 pods",
            evidence=shown(none),
            remedy="`pulumi up --refresh` puts the replicas back",
            severity=Severity.WARNING,
        )
    return f"{len(found)} in service"


def pods(site: Site) -> str:
    """Check that no pod waits for something that doesn't come."""
    found = [pod for pod in site.listed("Pod") if pod["status"].get("phase") not in ("Succeeded", "Failed")]
    stuck = [f"{full_name(pod)}: {reason}" for pod in found if (reason := _stuck(pod, site))]
    if stuck:
        raise ProblemError(f"{len(stuck)} of {len(found)} pods are stuck", evidence=shown(stuck), remedy=_LOOK)
    return f"{len(found)} run"


def _stuck(pod: Object, site: Site) -> str | None:
    if site.now() - time(pod["metadata"]["creationTimestamp"]) < _START:
        return None
    for container in _containers(pod):
        if reason := container.get("state", {}).get("waiting", {}).get("reason"):
            return reason
    return "Pending" if pod["status"].get("phase") == "Pending" else None


def restarts(site: Site) -> str:
    """Check that no container was restarted in the last hour."""
    recent = [
        f"{full_name(pod)}: {ended.get('reason', 'ended')}, {container['restartCount']} restarts"
        for pod in site.listed("Pod")
        for container in _containers(pod)
        if (ended := container.get("lastState", {}).get("terminated"))
        # Null if the node went away with the container.
        and (end := ended.get("finishedAt"))
        and site.now() - time(end) < _RECENT
    ]
    if recent:
        raise ProblemError(
            "containers were restarted in the last hour",
            evidence=shown(recent),
            remedy="`kubectl -n NAMESPACE logs POD --previous` shows their end; OOMKilled means too little memory",
            severity=Severity.WARNING,
        )
    return "none in the last hour"


def images(site: Site) -> str:
    """Check that the workloads run the images that the stack wants."""
    wanted = set(site.wanted_images().values())
    found = [
        (full_name(item), container["image"])
        for item in [*site.listed("Deployment"), *site.listed("StatefulSet")]
        if of_stack(item)
        for container in item["spec"]["template"]["spec"]["containers"]
    ]
    other = [f"{name} runs {image}" for name, image in found if image not in wanted]
    if other:
        raise ProblemError(
            "workloads run other images than the stack wants",
            evidence=shown(other),
            remedy="`pulumi up` rolls the stack's images out",
            severity=Severity.WARNING,
        )
    return f"{len(found)} containers run the stack's images"


def _containers(pod: Object) -> Iterator[Object]:
    yield from pod["status"].get("initContainerStatuses", ())
    yield from pod["status"].get("containerStatuses", ())
