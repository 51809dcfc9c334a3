"""The API server, and the nodes of the cluster."""

from local.doctor.checks.objects import condition, shown
from local.doctor.site import Site
from local.doctor.verdict import NoAnswerError, ProblemError

_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


def api_server(site: Site) -> str:
    """Check that the API server answers, and knows the platform's namespaces."""
    try:
        version = site.read("/version")
    except NoAnswerError as reason:
        raise ProblemError(
            "the API server doesn't answer", evidence=str(reason), remedy="run `make up`, or check the kubeconfig"
        ) from None
    if not site.listed("Namespace"):
        raise ProblemError(
            "the platform is not installed on this cluster",
            evidence="none of its namespaces exists",
            remedy="run `make up`, or name another context",
        )
    return f"Kubernetes {version['gitVersion']}, {len(site.listed('Namespace'))} namespaces of the platform"


def nodes(site: Site) -> str:
    """Check that every node is ready."""
    found = site.read("/api/v1/nodes")["items"]
    down = [node["metadata"]["name"] for node in found if (condition(node, "Ready") or {}).get("status") != "True"]
    if down:
        raise ProblemError(
            f"{len(down)} of {len(found)} nodes are not ready",
            evidence=shown(down),
            remedy="`kubectl describe node` says why",
        )
    return f"{len(found)} ready"


def pressure(site: Site) -> str:
    """Check that no node is short of memory, disk or process ids, for which it would evict pods."""
    short = [
        f"{node['metadata']['name']} has {kind}"
        for node in site.read("/api/v1/nodes")["items"]
        for kind in _PRESSURES
        if (condition(node, kind) or {}).get("status") == "True"
    ]
    if short:
        raise ProblemError(
            "a node evicts pods", evidence=shown(short), remedy="free memory or disk on the node, or add a node"
        )
    return "no node is under pressure"
