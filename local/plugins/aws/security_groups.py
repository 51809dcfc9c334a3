"""VPC security groups and their ingress rules."""

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
# A group can't be deleted until the network interfaces that use it are gone. This is the official plugin's timeout.
_DELETION_SECONDS: Final = 900
_RETRY_SECONDS: Final = 5


class SecurityGroup(Kind):
    """`aws.ec2.SecurityGroup`: its id is the group's. Its rules are separate resources."""

    fields = fields(
        optional={"name": None, "description": "Managed by Pulumi", "vpcId": None, "revokeRulesOnDelete": False},
        computed=("arn", "ownerId"),
        replacing=("name", "description", "vpcId"),
        write_only=("revokeRulesOnDelete",),
    )
    named = "name"

    def generate_name(self, name: str, seed: bytes) -> str:
        """Return a unique name. EC2 keeps capital letters."""
        return unique(f"{name}-", seed, digits=7)

    def locate(self, _identity: str) -> Bag:
        """Return nothing: no input can be read from the id."""
        return {}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the group."""
        arguments: dict[str, Any] = {"GroupName": inputs["name"], "Description": inputs["description"]}
        if inputs.get("vpcId"):
            arguments["VpcId"] = inputs["vpcId"]
        if inputs.get("tags"):
            specification = {"ResourceType": "security-group", "Tags": tag_list(inputs["tags"])}
            arguments["TagSpecifications"] = [specification]
        return aws.client("ec2").create_security_group(**arguments)["GroupId"]

    def settle(self, aws: Aws, identity: str, _inputs: Bag) -> None:
        """Remove the rule that AWS adds to allow all outgoing traffic, as the official plugin does."""
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
        """Change the tags, the only property that can be changed."""
        _retag(aws, identity, old, new)

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Delete the group as soon as nothing uses it."""
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
    """`aws.vpc.SecurityGroupIngressRule`, for one source and one range of ports: its id is the rule's."""

    # The possible sources of traffic with AWS's names. A rule has exactly one.
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
        """Return an error unless there is exactly one source."""
        sources = [name for name in self._SOURCES if inputs.get(name) is not None]
        if len(sources) == 1:
            return {}
        return {"": f"exactly one of {', '.join(self._SOURCES)} must be set, got {', '.join(sources) or 'none'}"}

    def replaces(self, changed: Path, old: Bag, new: Bag) -> bool:
        """Return whether the group or the kind of source changes, which a rule doesn't support."""
        source = changed[0] in self._SOURCES and (old.get(changed[0]) is None or new.get(changed[0]) is None)
        return source or super().replaces(changed, old, new)

    def locate(self, _identity: str) -> Bag:
        """Return nothing: no input can be read from the id."""
        return {}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Add the rule to the group."""
        arguments: dict[str, Any] = {"GroupId": inputs["securityGroupId"], "IpPermissions": [_permission(inputs)]}
        if inputs.get("tags"):
            specification = {"ResourceType": "security-group-rule", "Tags": tag_list(inputs["tags"])}
            arguments["TagSpecifications"] = [specification]
        answer = aws.client("ec2").authorize_security_group_ingress(**arguments)
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
        """Change the ports, protocol, description, tags, or a source of the same kind."""
        names = ("ipProtocol", "fromPort", "toPort", "description", *self._SOURCES)
        if changed(old, new, *names):
            arguments = {aws_name: new[name] for name, aws_name in self._SOURCES.items() if new.get(name) is not None}
            arguments |= {"IpProtocol": new["ipProtocol"], "Description": new.get("description") or ""}
            arguments |= {"FromPort": new.get("fromPort", -1), "ToPort": new.get("toPort", -1)}
            rule = {"SecurityGroupRuleId": identity, "SecurityGroupRule": arguments}
            aws.client("ec2").modify_security_group_rules(GroupId=new["securityGroupId"], SecurityGroupRules=[rule])
        _retag(aws, identity, old, new)

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Remove the rule from the group."""
        ec2, group = aws.client("ec2"), inputs["securityGroupId"]
        found(
            lambda: ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[identity]),
            *_GONE,
            _RULE_GONE,
        )


def _permission(inputs: Bag) -> dict[str, Any]:
    """Return a new rule in EC2's form, where each kind of source has its own list."""
    description = {"Description": inputs["description"]} if inputs.get("description") else {}
    permission: dict[str, Any] = {"IpProtocol": inputs["ipProtocol"]}
    permission |= {aws_name: inputs[name] for name, aws_name in _PORTS.items() if inputs.get(name) is not None}
    for name, (section, aws_name) in _SOURCE_LISTS.items():
        if inputs.get(name) is not None:
            permission[section] = [{aws_name: inputs[name], **description}]
    return permission


_PORTS: Final = {"fromPort": "FromPort", "toPort": "ToPort"}
_SOURCE_LISTS: Final = {
    "cidrIpv4": ("IpRanges", "CidrIp"),
    "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListId": ("PrefixListIds", "PrefixListId"),
    "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
}


def _port(reported: int | None, requested: int | None) -> int | None:
    """Return the port of a rule. EC2 reports -1 if none was set."""
    return None if reported == -1 and requested is None else reported


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
