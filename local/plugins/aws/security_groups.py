"""Security groups of a VPC, and the rules that let traffic in."""

import time
from typing import Any, ClassVar, Final

from local.plugins.aws.client import Aws, Client, code, found
from local.plugins.aws.documents import tag_list, tag_map
from local.plugins.aws.kind import Kind, changed, fields, tag_changes, tags
from local.plugins.naming import unique
from local.plugins.paths import Path
from local.plugins.values import Bag

_GONE: Final = ("InvalidGroup.NotFound", "InvalidGroupId.Malformed")
_RULE_GONE: Final = "InvalidSecurityGroupRuleId.NotFound"
# A group can't go before the network interfaces that bear it, which take their time: the official plugin's wait.
_DELETION_SECONDS: Final = 900
_RETRY_SECONDS: Final = 5


class SecurityGroup(Kind):
    """`aws.ec2.SecurityGroup`, whose rules are resources of their own: its id is the group's."""

    fields = fields(
        optional={"name": None, "description": "Managed by Pulumi", "vpcId": None, "revokeRulesOnDelete": False},
        computed=("arn", "ownerId"),
        replacing=("name", "description", "vpcId"),
        write_only=("revokeRulesOnDelete",),
    )
    named = "name"

    def make_up(self, name: str, seed: bytes) -> str:
        """Return a name; a group's may have capitals."""
        return unique(f"{name}-", seed, digits=7)

    def locate(self, _identity: str) -> Bag:
        """Return nothing: the id tells no input."""
        return {}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Make the group."""
        wanted: dict[str, Any] = {"GroupName": inputs["name"], "Description": inputs["description"]}
        if inputs.get("vpcId"):
            wanted["VpcId"] = inputs["vpcId"]
        if inputs.get("tags"):
            marks = {"ResourceType": "security-group", "Tags": tag_list(inputs["tags"])}
            wanted["TagSpecifications"] = [marks]
        return aws.client("ec2").create_security_group(**wanted)["GroupId"]

    def settle(self, aws: Aws, identity: str, _inputs: Bag) -> None:
        """Take away the rule that AWS adds, which lets everything out, as the official plugin does."""
        ec2 = aws.client("ec2")
        group = ec2.describe_security_groups(GroupIds=[identity])["SecurityGroups"][0]
        if group["IpPermissionsEgress"]:
            ec2.revoke_security_group_egress(GroupId=identity, IpPermissions=group["IpPermissionsEgress"])

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the group."""
        answer = found(lambda: aws.client("ec2").describe_security_groups(GroupIds=[identity]), *_GONE)
        if not answer or not answer["SecurityGroups"]:
            return None
        group = answer["SecurityGroups"][0]
        return {
            "name": group["GroupName"],
            "description": group["Description"],
            "vpcId": group.get("VpcId"),
            "ownerId": group["OwnerId"],
            "arn": aws.arn("ec2", f"security-group/{identity}"),
            **tags(tag_map(group.get("Tags"))),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Change the tags; nothing else of a group ever changes."""
        _retag(aws, identity, old, new)

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Delete the group as soon as nothing bears it any more."""
        ec2 = aws.client("ec2")
        if inputs["revokeRulesOnDelete"]:
            _revoke_all(ec2, identity)
        end = time.monotonic() + (aws.seconds or _DELETION_SECONDS)
        while True:
            try:
                found(lambda: ec2.delete_security_group(GroupId=identity), *_GONE)
            except Exception as error:
                if code(error) != "DependencyViolation" or time.monotonic() > end:
                    raise
                time.sleep(_RETRY_SECONDS)
            else:
                return


class IngressRule(Kind):
    """`aws.vpc.SecurityGroupIngressRule`, one source and one range of ports: its id is the rule's."""

    # Where the traffic comes from, each with AWS's name: exactly one of them.
    _SOURCES: ClassVar = {
        "cidrIpv4": "CidrIpv4",
        "cidrIpv6": "CidrIpv6",
        "prefixListId": "PrefixListId",
        "referencedSecurityGroupId": "ReferencedGroupId",
    }
    fields = fields(
        required=("securityGroupId", "ipProtocol"),
        optional={**dict.fromkeys(_SOURCES), "description": None, "fromPort": None, "toPort": None},
        computed=("arn", "securityGroupRuleId"),
        replacing=("securityGroupId",),
    )

    def failures(self, inputs: Bag) -> dict[str, str]:
        """Demand one source."""
        given = [name for name in self._SOURCES if inputs.get(name) is not None]
        if len(given) == 1:
            return {}
        what = f"got {', '.join(given)}" if given else "got none"
        return {"": f"exactly one of {', '.join(self._SOURCES)} must be set: {what}"}

    def replaces(self, changed: Path, old: Bag, new: Bag) -> bool:
        """Whether it's another kind of source, which a rule never changes, or another group."""
        source = changed[0] in self._SOURCES and (old.get(changed[0]) is None or new.get(changed[0]) is None)
        return source or super().replaces(changed, old, new)

    def locate(self, _identity: str) -> Bag:
        """Return nothing: the id tells no input."""
        return {}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Add the rule to the group."""
        wanted: dict[str, Any] = {"GroupId": inputs["securityGroupId"], "IpPermissions": [_permission(inputs)]}
        if inputs.get("tags"):
            marks = {"ResourceType": "security-group-rule", "Tags": tag_list(inputs["tags"])}
            wanted["TagSpecifications"] = [marks]
        answer = aws.client("ec2").authorize_security_group_ingress(**wanted)
        return answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    def read(self, aws: Aws, identity: str, inputs: Bag) -> Bag | None:
        """Read the rule."""
        ec2 = aws.client("ec2")
        answer = found(lambda: ec2.describe_security_group_rules(SecurityGroupRuleIds=[identity]), *_GONE, _RULE_GONE)
        if not answer or not answer["SecurityGroupRules"]:
            return None
        rule = answer["SecurityGroupRules"][0]
        return {
            "securityGroupRuleId": identity,
            "arn": aws.arn("ec2", f"security-group-rule/{identity}"),
            "securityGroupId": rule["GroupId"],
            "ipProtocol": rule["IpProtocol"],
            "fromPort": _port(rule.get("FromPort"), inputs.get("fromPort")),
            "toPort": _port(rule.get("ToPort"), inputs.get("toPort")),
            "cidrIpv4": rule.get("CidrIpv4"),
            "cidrIpv6": rule.get("CidrIpv6"),
            "prefixListId": rule.get("PrefixListId"),
            "referencedSecurityGroupId": rule.get("ReferencedGroupInfo", {}).get("GroupId"),
            "description": rule.get("Description"),
            **tags(tag_map(rule.get("Tags"))),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Change ports, protocol, source of the same kind, description or tags."""
        names = ("ipProtocol", "fromPort", "toPort", "description", *self._SOURCES)
        if changed(old, new, *names):
            wanted = {theirs: new[ours] for ours, theirs in self._SOURCES.items() if new.get(ours) is not None}
            wanted |= {"IpProtocol": new["ipProtocol"], "Description": new.get("description") or ""}
            wanted |= {"FromPort": new.get("fromPort", -1), "ToPort": new.get("toPort", -1)}
            rule = {"SecurityGroupRuleId": identity, "SecurityGroupRule": wanted}
            aws.client("ec2").modify_security_group_rules(GroupId=new["securityGroupId"], SecurityGroupRules=[rule])
        _retag(aws, identity, old, new)

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Take the rule out of the group."""
        ec2, group = aws.client("ec2"), inputs["securityGroupId"]
        found(
            lambda: ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[identity]),
            *_GONE,
            _RULE_GONE,
        )


def _permission(inputs: Bag) -> dict[str, Any]:
    """Return a rule as EC2 takes a new one: the source as a list of one in a place of its own."""
    about = {"Description": inputs["description"]} if inputs.get("description") else {}
    permission: dict[str, Any] = {"IpProtocol": inputs["ipProtocol"]}
    permission |= {theirs: inputs[ours] for ours, theirs in _PORTS.items() if inputs.get(ours) is not None}
    for ours, (place, theirs) in _PLACES.items():
        if inputs.get(ours) is not None:
            permission[place] = [{theirs: inputs[ours], **about}]
    return permission


_PORTS: Final = {"fromPort": "FromPort", "toPort": "ToPort"}
_PLACES: Final = {
    "cidrIpv4": ("IpRanges", "CidrIp"),
    "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListId": ("PrefixListIds", "PrefixListId"),
    "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
}


def _port(seen: int | None, given: int | None) -> int | None:
    """Return the port that a rule shows; -1 is how EC2 says that none was given."""
    return None if seen == -1 and given is None else seen


def _revoke_all(ec2: Client, group: str) -> None:
    filters = [{"Name": "group-id", "Values": [group]}]
    for page in ec2.get_paginator("describe_security_group_rules").paginate(Filters=filters):
        for rule in page["SecurityGroupRules"]:
            revoke = ec2.revoke_security_group_egress if rule["IsEgress"] else ec2.revoke_security_group_ingress
            revoke(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])


def _retag(aws: Aws, identity: str, old: Bag, new: Bag) -> None:
    added, removed = tag_changes(old, new)
    if removed:
        aws.client("ec2").delete_tags(Resources=[identity], Tags=[{"Key": key} for key in removed])
    if added:
        aws.client("ec2").create_tags(Resources=[identity], Tags=tag_list(added))
