"""The engine's state of the stack, against what was really made."""

from local.doctor.checks.objects import shown
from local.doctor.site import Site
from local.doctor.verdict import ProblemError, Severity


def pending(site: Site) -> str:
    """Check that no update was broken off."""
    deployment = site.deployment()
    operations = [
        operation["resource"]["urn"].rpartition("::")[2] for operation in deployment.get("pending_operations") or ()
    ]
    if operations:
        raise ProblemError(
            "an update was broken off: the state has pending operations",
            evidence=shown(operations),
            remedy=f"`pulumi refresh --stack {site.stack.name}` settles them, then run `make up` or `pulumi up` again",
        )
    return f"{len(deployment.get('resources') or ())} resources, none pending"


def leftovers(site: Site) -> str:
    """Check that nothing that was replaced waits to be deleted."""
    left = [
        resource["urn"].rpartition("::")[2]
        for resource in site.deployment().get("resources") or ()
        if resource.get("delete")
    ]
    if left:
        raise ProblemError(
            "replaced resources were not deleted",
            evidence=shown(left),
            remedy=f"`pulumi up --stack {site.stack.name}` deletes them",
            severity=Severity.WARNING,
        )
    return "nothing replaced is left"


def missing(site: Site) -> str:
    """Check that the objects of the state are in the cluster."""
    kinds = ("Deployment", "StatefulSet", "CronJob", "NetworkPolicy", "Service")
    running = {
        (kind, item["metadata"]["namespace"], item["metadata"]["name"]) for kind in kinds for item in site.listed(kind)
    }
    spaces = {item["metadata"]["name"] for item in site.listed("Namespace")}
    wanted = {
        (kind, metadata.get("namespace"), metadata.get("name"))
        for resource in site.deployment().get("resources") or ()
        if resource["type"].startswith("kubernetes:")
        and (kind := resource["type"].rpartition(":")[2]) in kinds
        and (metadata := (resource.get("outputs") or {}).get("metadata") or {}).get("namespace") in spaces
    }
    if gone := sorted(f"{kind} {namespace}/{name}" for kind, namespace, name in wanted - running):
        raise ProblemError(
            "objects of the stack are not in the cluster",
            evidence=shown(gone),
            remedy=f"`pulumi up --refresh --stack {site.stack.name}` makes them again",
        )
    return f"{len(wanted)} objects are in the cluster"
