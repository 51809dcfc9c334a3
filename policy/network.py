"""Rules about who can reach what: services stay internal, and security groups let in only named networks."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pulumi_policy import PolicyConfigSchema

from policy.documents import texts
from policy.resources import UNKNOWN, Resource, known_items
from policy.rule import each

_OUTWARD: Final = ("LoadBalancer", "NodePort")
_GROUP: Final = ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
_RULE: Final = "aws:ec2/securityGroupRule:SecurityGroupRule"
_INGRESS_RULE: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
# Wider than 10.0.0.0/8, the widest private range. Two halves (/1) cover 0.0.0.0/0, too.
_WIDE: Final = re.compile(r"/[0-7]$")
_RANGES: Final = ("cidrBlocks", "ipv6CidrBlocks", "cidrIpv4", "cidrIpv6")


def _outward(service: Resource, opened: Sequence[str] = ()) -> Iterator[str]:
    kind = service.get("spec", "type")
    place = (service.get("metadata", "namespace") or "default", service.get("metadata", "name"))
    # A service with an unknown name may be one of the opened.
    if kind in _OUTWARD and not (opened and UNKNOWN in place) and "/".join(map(str, place)) not in opened:
        yield f"spec.type is {kind}."


def _ingress(resource: Resource) -> Iterator[str]:
    for rule in _rules(resource):
        ranges = [text for name in _RANGES for text in texts(rule.get(name))]
        if wide := [text for text in ranges if _WIDE.search(text)]:
            yield f"It lets in {', '.join(wide)}."


def _rules(resource: Resource) -> list[dict[str, Any]]:
    if resource.type in _GROUP:
        return known_items(resource.get("ingress"))
    return [] if resource.get("type") == "egress" else [resource.properties]


RULES: Final = (
    each(
        "service-is-internal",
        "A service is reached only from within the cluster. Make it a ClusterIP behind the ingress, or list it as "
        "NAMESPACE/NAME in `opened` of this rule in the environment's policy file.",
        ("kubernetes:core/v1:Service",),
        _outward,
        PolicyConfigSchema({"opened": {"type": "array", "items": {"type": "string", "pattern": "^[^/]+/[^/]+$"}}}),
    ),
    each(
        "security-group-is-closed",
        "A security group lets in only named networks. Replace 0.0.0.0/0, ::/0 and any range wider than /8 with the "
        "ranges or security groups of the callers.",
        (*_GROUP, _RULE, _INGRESS_RULE),
        _ingress,
    ),
)
