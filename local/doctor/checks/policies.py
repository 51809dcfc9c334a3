"""NetworkPolicies: they exist, and the cluster enforces them."""

import contracts
from local.doctor.checks.objects import MLFLOW, full_name, require, shown
from local.doctor.site import Object, Site
from local.doctor.verdict import NoAnswerError, NotHereError, ProblemError

_OPEN = "open"


def exist(site: Site) -> str:
    """Check that every namespace of the platform denies what no policy allows."""
    spaces = {item["metadata"]["name"] for item in site.listed("Namespace")}
    closed = {
        item["metadata"]["namespace"]
        for item in site.listed("NetworkPolicy")
        if not item["spec"].get("podSelector") and {"Ingress", "Egress"} <= set(item["spec"].get("policyTypes", ()))
    }
    if lacking := sorted(spaces - closed):
        raise ProblemError(
            "namespaces lack the policy that denies all other traffic",
            evidence=shown(lacking),
            remedy="`pulumi up --refresh` makes it again",
        )
    return f"{len(site.listed('NetworkPolicy'))} in {len(spaces)} namespaces"


def enforced(site: Site) -> str:
    """Check that MLflow's pods reach their own Service's neighbours only where a policy allows it."""
    pod = require(site, MLFLOW)
    services = {full_name(item) for item in site.listed("Service")}
    # Each with the name of its workload, which is also that of its Service.
    forbidden = {
        f"{name}.{namespace}.svc:{port}": f"{namespace}/{name}"
        for namespace, name, port in (
            contracts.SERVERS["vault"],
            contracts.SERVERS["gateway"],
            (contracts.SERVING_NAMESPACE, contracts.RECONCILER, contracts.RECONCILER_PORT),
        )
        if f"{namespace}/{name}" in services
    }
    if not forbidden:
        raise NotHereError("MLflow has no neighbour in the cluster that it may not reach")
    outcomes = site.told("network", pod, *forbidden)
    if reached := [target for target in forbidden if outcomes[target] == _OPEN]:
        raise ProblemError(
            "the cluster doesn't enforce NetworkPolicies",
            evidence=f"a pod of MLflow reaches {shown(reached)}",
            remedy="install a network plugin that does, such as Calico or Cilium; in EKS switch it on in the VPC CNI",
        )
    if unknown := [target for target in forbidden if outcomes[target] == "unknown name"]:
        raise NoAnswerError(f"a pod can't look up {shown(unknown)}")
    ready = {full_name(item) for kind in ("Deployment", "StatefulSet") for item in site.listed(kind) if _is_ready(item)}
    # Who connects to a server that is down is refused without any policy.
    if not (proven := [target for target, workload in forbidden.items() if workload in ready]):
        raise NoAnswerError(f"no server is ready at {shown(forbidden)}, so nothing can be told from the refusal")
    return f"a pod of MLflow does not reach {shown(proven)}"


def _is_ready(workload: Object) -> bool:
    return workload.get("status", {}).get("readyReplicas", 0) > 0
