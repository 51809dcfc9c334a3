"""The functions that look up AWS resources that the program doesn't manage."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from local.plugins.aws.client import Aws, found
from local.plugins.aws.documents import from_aws, tag_map
from local.plugins.provider import PluginError
from local.plugins.values import Bag


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function of the package, and the arguments that it takes besides `region`."""

    call: Callable[[Aws, Bag], Bag]
    arguments: frozenset[str]


def _caller_identity(aws: Aws, _arguments: Bag) -> Bag:
    identity = aws.client("sts").get_caller_identity()
    account = identity["Account"]
    return {"id": account, "accountId": account, "arn": identity["Arn"], "userId": identity["UserId"]}


def _cluster(aws: Aws, arguments: Bag) -> Bag:
    """Return the properties that a program needs to work in a cluster, without those about how EKS runs it."""
    name = arguments["name"]
    answer = found(lambda: aws.client("eks").describe_cluster(name=name), "ResourceNotFoundException")
    if answer is None:
        message = f"no EKS cluster {name!r} in {aws.region}"
        raise PluginError(message)
    cluster = answer["cluster"]
    network = cluster.get("resourcesVpcConfig", {})
    issuer = cluster.get("identity", {}).get("oidc", {}).get("issuer")
    return {
        "id": name,
        "name": cluster["name"],
        "arn": cluster["arn"],
        "region": aws.region,
        "endpoint": cluster.get("endpoint", ""),
        "certificateAuthorities": [{"data": cluster.get("certificateAuthority", {}).get("data", "")}],
        "identities": [{"oidcs": [{"issuer": issuer}]}] if issuer else [],
        "createdAt": str(from_aws(cluster.get("createdAt"), {}) or ""),
        "platformVersion": cluster.get("platformVersion", ""),
        "roleArn": cluster.get("roleArn", ""),
        "status": cluster.get("status", ""),
        "version": cluster.get("version", ""),
        "tags": dict(cluster.get("tags", {})),
        "vpcConfig": {
            "clusterSecurityGroupId": network.get("clusterSecurityGroupId", ""),
            "endpointPrivateAccess": network.get("endpointPrivateAccess", False),
            "endpointPublicAccess": network.get("endpointPublicAccess", False),
            "publicAccessCidrs": network.get("publicAccessCidrs", []),
            "securityGroupIds": network.get("securityGroupIds", []),
            "subnetIds": network.get("subnetIds", []),
            "vpcId": network.get("vpcId", ""),
        },
    }


def _vpc(aws: Aws, arguments: Bag) -> Bag:
    """Return the one VPC that matches the arguments."""
    filters: list[dict[str, Any]] = [
        {"Name": f"tag:{key}", "Values": [value]} for key, value in arguments.get("tags", {}).items()
    ]
    filters += [{"Name": each["name"], "Values": each["values"]} for each in arguments.get("filters", [])]
    for pulumi_name, filter_name in (("cidrBlock", "cidr"), ("state", "state")):
        if pulumi_name in arguments:
            filters.append({"Name": filter_name, "Values": [arguments[pulumi_name]]})
    if arguments.get("default"):
        filters.append({"Name": "isDefault", "Values": ["true"]})
    ids: dict[str, Any] = {"VpcIds": [arguments["id"]]} if "id" in arguments else {}
    answer = found(lambda: aws.client("ec2").describe_vpcs(Filters=filters, **ids), "InvalidVpcID.NotFound")
    vpcs = answer["Vpcs"] if answer else []
    if len(vpcs) != 1:
        message = f"exactly one EC2 VPC in {aws.region} must match {arguments}, got {len(vpcs)}"
        raise PluginError(message)
    return _vpc_properties(aws, vpcs[0])


def _vpc_properties(aws: Aws, vpc: dict[str, Any]) -> Bag:
    ec2, vpc_id = aws.client("ec2"), vpc["VpcId"]

    def enabled(attribute: str) -> bool:
        answer = ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute=attribute)
        return answer[attribute[:1].upper() + attribute[1:]]["Value"]

    blocks = [
        {
            "associationId": each["AssociationId"],
            "cidrBlock": each["CidrBlock"],
            "state": each["CidrBlockState"]["State"],
        }
        for each in vpc.get("CidrBlockAssociationSet", [])
    ]
    return {
        "id": vpc_id,
        "arn": aws.arn("ec2", f"vpc/{vpc_id}"),
        "region": aws.region,
        "cidrBlock": vpc["CidrBlock"],
        "cidrBlockAssociations": blocks,
        "default": vpc["IsDefault"],
        "dhcpOptionsId": vpc["DhcpOptionsId"],
        "enableDnsHostnames": enabled("enableDnsHostnames"),
        "enableDnsSupport": enabled("enableDnsSupport"),
        "instanceTenancy": vpc["InstanceTenancy"],
        "ipv6CidrBlock": "",
        "ownerId": vpc.get("OwnerId", aws.account),
        "state": vpc["State"],
        "tags": tag_map(vpc.get("Tags")),
    }


def _open_id_connect_provider(aws: Aws, arguments: Bag) -> Bag:
    """Return the provider by its ARN or by its issuer's URL."""
    iam = aws.client("iam")
    arn, url = arguments.get("arn"), str(arguments.get("url", "")).removeprefix("https://")
    if arn is None:
        arns = [each["Arn"] for each in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
        arn = next((each for each in arns if each.partition("/")[2] == url), None)
    answer = (
        found(lambda: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn), "NoSuchEntity") if arn else None
    )
    if answer is None:
        message = f"no IAM OIDC provider for {arguments.get('arn') or url!r}"
        raise PluginError(message)
    return {
        "id": arn,
        "arn": arn,
        "url": answer["Url"].removeprefix("https://"),
        "clientIdLists": answer["ClientIDList"],
        "thumbprintLists": answer["ThumbprintList"],
        "tags": tag_map(answer.get("Tags")),
    }


CALLER_IDENTITY: Final = Function(call=_caller_identity, arguments=frozenset())
CLUSTER: Final = Function(call=_cluster, arguments=frozenset({"name"}))
OPEN_ID_CONNECT_PROVIDER: Final = Function(call=_open_id_connect_provider, arguments=frozenset({"arn", "url"}))
VPC: Final = Function(call=_vpc, arguments=frozenset({"cidrBlock", "default", "filters", "id", "state", "tags"}))
