"""Autoscalers and disruption budgets."""

from local.cluster.workloads import why_not
from local.doctor.checks.objects import full_name, shown
from local.doctor.site import Site
from local.doctor.verdict import NotHereError, ProblemError, Severity

_KIND = "HorizontalPodAutoscaler"


def metrics(site: Site) -> str:
    """Check that every autoscaler knows the load of its pods."""
    found = site.listed(_KIND)
    if not found:
        raise NotHereError("nothing is autoscaled")
    blind = [full_name(item) for item in found if why_not(item)]
    if blind:
        raise ProblemError(
            "autoscalers have no metrics, so they add no pods under load",
            evidence=shown(blind),
            remedy="`kubectl top pods` must answer: install or repair the metrics server",
            severity=Severity.WARNING,
        )
    return f"{len(found)} have metrics"


def limits(site: Site) -> str:
    """Check that no autoscaler is at its maximum."""
    found = site.listed(_KIND)
    if not found:
        raise NotHereError("nothing is autoscaled")
    # With equal bounds it always is.
    full = [
        f"{full_name(item)}: {item['spec']['maxReplicas']} pods"
        for item in found
        if item["spec"].get("minReplicas", 1) < item["spec"]["maxReplicas"]
        and item.get("status", {}).get("currentReplicas", 0) >= item["spec"]["maxReplicas"]
    ]
    if full:
        raise ProblemError(
            "autoscalers are at their maximum",
            evidence=shown(full),
            remedy="find the client that causes the load, or raise maxReplicas in the section of the stack file",
            severity=Severity.WARNING,
        )
    return f"{len(found)} have room"


def disruptions(site: Site) -> str:
    """Check that a node can be drained: every budget allows one pod to go."""
    found = site.listed("PodDisruptionBudget")
    if not found:
        raise NotHereError("there are no disruption budgets")
    # A budget of a model that has no pods yet blocks nobody.
    blocking = [
        full_name(item)
        for item in found
        if item["status"].get("expectedPods", 0) > 0 and item["status"].get("disruptionsAllowed", 0) < 1
    ]
    if blocking:
        raise ProblemError(
            "budgets allow no disruption, so draining a node waits for ever",
            evidence=shown(blocking),
            remedy="wait until all pods are ready, or allow one pod more than minAvailable",
            severity=Severity.WARNING,
        )
    return f"{len(found)} allow one"
