"""Security groups: nothing is let in from everywhere."""

from collections.abc import Iterator
from typing import Any, Final

from infra.policy.documents import texts
from infra.policy.known import known_items
from infra.policy.rule import Resource, each

_GROUP: Final = ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
_RULE: Final = "aws:ec2/securityGroupRule:SecurityGroupRule"
_INGRESS_RULE: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_RANGES: Final = ("cidrBlocks", "ipv6CidrBlocks", "cidrIpv4", "cidrIpv6")


def _ingress(resource: Resource) -> Iterator[str]:
    for rule in _rules(resource):
        ranges = [text for name in _RANGES for text in texts(rule.get(name))]
        if everywhere := [text for text in ranges if text.endswith("/0")]:
            yield f"It lets in {', '.join(everywhere)}."


def _rules(resource: Resource) -> list[dict[str, Any]]:
    if resource.type in _GROUP:
        return known_items(resource.get("ingress"))
    return [] if resource.get("type") == "egress" else [resource.properties]


RULES: Final = (
    each(
        "security-group-is-closed",
        "A security group lets in those whom it names. Replace 0.0.0.0/0 and ::/0 by the ranges or the security groups "
        "of the clients.",
        (*_GROUP, _RULE, _INGRESS_RULE),
        _ingress,
    ),
)
