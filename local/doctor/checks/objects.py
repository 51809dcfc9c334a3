"""Questions about Kubernetes objects that several checks ask."""

from collections.abc import Iterable
from datetime import UTC, datetime

import contracts
from local.doctor.site import Object, Site
from local.doctor.verdict import NotHereError

# Longer lists say no more about what is wrong.
_SHOWN = 4


def full_name(item: Object) -> str:
    """Return the namespace and the name of an object."""
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def of_stack(item: Object) -> bool:
    """Tell whether the stack made the object, and neither a team nor a controller."""
    return item["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "pulumi"


def condition(item: Object, kind: str) -> Object | None:
    """Return the condition of an object, if it has it."""
    return next((each for each in item.get("status", {}).get("conditions", ()) if each["type"] == kind), None)


def time(text: str) -> datetime:
    """Return the time in a Kubernetes timestamp."""
    return datetime.fromisoformat(text).astimezone(UTC)


def shown(names: Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def require(site: Site, workload: str) -> str:
    """Return the workload `NAMESPACE/NAME` if its Deployment is installed.

    Raises:
        NotHereError: It isn't.
    """
    if workload not in {full_name(item) for item in site.listed("Deployment")}:
        raise NotHereError(f"there is no Deployment {workload}")
    return workload


MLFLOW = f"{contracts.MLFLOW_NAMESPACE}/mlflow"
GATEWAY = f"{contracts.MLFLOW_NAMESPACE}/gateway"
RECONCILER = f"{contracts.SERVING_NAMESPACE}/{contracts.RECONCILER}"
