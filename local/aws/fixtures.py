"""The account's initial resources: a network, an EKS cluster with its OIDC provider, and KMS aliases.

They are created through moto's models, and only if they don't exist, because the account outlives the process.
"""

import ipaddress
from typing import Any

from moto.ec2.models import ec2_backends
from moto.eks.models import eks_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends

from local.aws.account import PARTITION, Account

ZONES = "abc"
# The audience of the tokens that pods present to STS.
AUDIENCE = "sts.amazonaws.com"
NAME = "aegis"
# AWS requires one, but the issuer isn't reachable and so has no certificate.
_THUMBPRINT = "0" * 40
_NODES_ROLE = "aegis-eks"


def ensure(account: Account) -> None:
    """Create what is missing in the account."""
    subnets, group = _network(account)
    _cluster(account, subnets, group)
    _identity_provider(account)
    for alias in account.aliases:
        _key(account, alias)


def _network(account: Account) -> tuple[list[str], str]:
    """Return the ids of the network's subnets and of the cluster's security group."""
    ec2 = ec2_backends[account.account_id][account.region]
    matching = [vpc for vpc in ec2.describe_vpcs() if vpc.cidr_block == account.network]
    vpc = matching[0] if matching else ec2.create_vpc(account.network, tags=_tags(NAME))
    subnets = [subnet.id for subnet in ec2.describe_subnets(filters={"vpc-id": [vpc.id]})]
    if not subnets:
        blocks = ipaddress.ip_network(account.network).subnets(prefixlen_diff=2)
        subnets = [
            ec2.create_subnet(vpc.id, str(block), availability_zone=f"{account.region}{zone}").id
            for zone, block in zip(ZONES, blocks, strict=False)
        ]
    filters = {"vpc-id": [vpc.id], "group-name": [_group_name(account)]}
    groups = ec2.describe_security_groups(filters=filters)
    group = groups[0] if groups else ec2.create_security_group(_group_name(account), "The EKS cluster's", vpc.id)
    return subnets, group.id


def _group_name(account: Account) -> str:
    return f"eks-cluster-sg-{account.cluster.name}"


def _tags(name: str) -> list[dict[str, str]]:
    return [{"Key": "Name", "Value": name}]


def _cluster(account: Account, subnets: list[str], group: str) -> None:
    """Create the EKS cluster if needed, and point it to the real one."""
    eks = eks_backends[account.account_id][account.region]
    settings = account.cluster
    if settings.name not in eks.clusters:
        role = f"arn:{PARTITION}:iam::{account.account_id}:role/{_NODES_ROLE}"
        eks.create_cluster(name=settings.name, role_arn=role, resources_vpc_config={})
    cluster = eks.clusters[settings.name]
    vpc = ec2_backends[account.account_id][account.region].get_subnet(subnets[0]).vpc_id
    cluster.resources_vpc_config = {
        "vpcId": vpc,
        "subnetIds": subnets,
        "securityGroupIds": [group],
        "clusterSecurityGroupId": group,
        "endpointPublicAccess": False,
        "endpointPrivateAccess": True,
    }
    cluster.endpoint = settings.endpoint
    cluster.certificate_authority = {"data": settings.certificate_authority}
    cluster.identity = {"oidc": {"issuer": settings.issuer}}


def _identity_provider(account: Account) -> None:
    iam = iam_backends[account.account_id][PARTITION]
    url = account.cluster.issuer.removeprefix("https://")
    if not any(provider.url == url for provider in iam.open_id_providers.values()):
        iam.create_open_id_connect_provider(account.cluster.issuer, [_THUMBPRINT], [AUDIENCE], [])


def _key(account: Account, alias: str) -> None:
    kms = kms_backends[account.account_id][account.region]
    if kms.alias_exists(alias):
        return
    settings: dict[str, Any] = {"policy": None, "key_usage": "ENCRYPT_DECRYPT", "key_spec": "SYMMETRIC_DEFAULT"}
    key = kms.create_key(**settings, description="The secrets of a stack", tags=[])
    kms.create_alias(key.id, alias)
