"""Security groups: nothing is let in from everywhere."""

import re
from collections.abc import Iterator
from typing import Any, Final

from policy.documents import texts
from policy.known import known_items
from policy.resource import Resource
from policy.rule import each

_GROUP: Final = ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
_RULE: Final = "aws:ec2/securityGroupRule:SecurityGroupRule"
_INGRESS_RULE: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
# Wider than 10.0.0.0/8, the widest of the private ranges: 0.0.0.0/0 comes in two halves, too.
_WIDE: Final = re.compile(r"/[0-7]$")
_RANGES: Final = ("cidrBlocks", "ipv6CidrBlocks", "cidrIpv4", "cidrIpv6")


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
        "security-group-is-closed",
        "A security group lets in those whom it names. Replace 0.0.0.0/0, ::/0 and all that is wider than /8 by the "
        "ranges or the security groups of the clients.",
        (*_GROUP, _RULE, _INGRESS_RULE),
        _ingress,
    ),
)
