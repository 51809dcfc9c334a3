"""Kubernetes services: reached from within the cluster, unless one is opened."""

from collections.abc import Iterator, Sequence
from typing import Final

from pulumi_policy import PolicyConfigSchema

from policy.known import UNKNOWN
from policy.resource import Resource
from policy.rule import each

_OUTWARD: Final = ("LoadBalancer", "NodePort")


def _outward(service: Resource, opened: Sequence[str] = ()) -> Iterator[str]:
    kind = service.get("spec", "type")
    place = (service.get("metadata", "namespace") or "default", service.get("metadata", "name"))
    # Under a name that is not known yet it may be one of the opened.
    if kind in _OUTWARD and not (opened and UNKNOWN in place) and "/".join(map(str, place)) not in opened:
        yield f"spec.type is {kind}."


RULES: Final = (
    each(
        "service-is-internal",
        "A service is reached from within the cluster. Make it a ClusterIP behind the ingress, or list it as "
        "NAMESPACE/NAME in `opened` of this rule in the environment's policy file.",
        ("kubernetes:core/v1:Service",),
        _outward,
        PolicyConfigSchema({"opened": {"type": "array", "items": {"type": "string", "pattern": "^[^/]+/[^/]+$"}}}),
    ),
)
