"""What the account has before any stack comes: a network, an EKS cluster with its identity provider, KMS aliases.

Made through moto's own models, each only if it isn't there, as the account outlives the emulator's process.
"""

import ipaddress
from typing import Any

from moto.ec2.models import ec2_backends
from moto.eks.models import eks_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends

from local.aws.account import PARTITION, Account

ZONES = "abc"
# The audience of the tokens that pods take to STS.
AUDIENCE = "sts.amazonaws.com"
NAME = "aegis"
# AWS wants one; nobody reaches the issuer, so nothing has the certificate that it would be of.
_THUMBPRINT = "0" * 40
_NODES_ROLE = "aegis-eks"


def ensure(account: Account) -> None:
    """Make what the account has to have."""
    subnets, group = _network(account)
    _cluster(account, subnets, group)
    _identity_provider(account)
    for alias in account.aliases:
        _key(account, alias)


def _network(account: Account) -> tuple[list[str], str]:
    """Return the ids of the network's subnets and of the cluster's security group."""
    ec2 = ec2_backends[account.account_id][account.region]
    known = [vpc for vpc in ec2.describe_vpcs() if vpc.cidr_block == account.network]
    vpc = known[0] if known else ec2.create_vpc(account.network, tags=_tags(NAME))
    subnets = [subnet.id for subnet in ec2.describe_subnets(filters={"vpc-id": [vpc.id]})]
    if not subnets:
        blocks = ipaddress.ip_network(account.network).subnets(prefixlen_diff=2)
        subnets = [
            ec2.create_subnet(vpc.id, str(block), availability_zone=f"{account.region}{zone}").id
            for zone, block in zip(ZONES, blocks, strict=False)
        ]
    named = {"vpc-id": [vpc.id], "group-name": [_group_name(account)]}
    groups = ec2.describe_security_groups(filters=named)
    group = groups[0] if groups else ec2.create_security_group(_group_name(account), "The EKS cluster's", vpc.id)
    return subnets, group.id


def _group_name(account: Account) -> str:
    return f"eks-cluster-sg-{account.cluster.name}"


def _tags(name: str) -> list[dict[str, str]]:
    return [{"Key": "Name", "Value": name}]


def _cluster(account: Account, subnets: list[str], group: str) -> None:
    """Have the cluster, and have it say where the real one is."""
    eks = eks_backends[account.account_id][account.region]
    wanted = account.cluster
    if wanted.name not in eks.clusters:
        role = f"arn:{PARTITION}:iam::{account.account_id}:role/{_NODES_ROLE}"
        eks.create_cluster(name=wanted.name, role_arn=role, resources_vpc_config={})
    cluster = eks.clusters[wanted.name]
    vpc = ec2_backends[account.account_id][account.region].get_subnet(subnets[0]).vpc_id
    cluster.resources_vpc_config = {
        "vpcId": vpc,
        "subnetIds": subnets,
        "securityGroupIds": [group],
        "clusterSecurityGroupId": group,
        "endpointPublicAccess": False,
        "endpointPrivateAccess": True,
    }
    cluster.endpoint = wanted.endpoint
    cluster.certificate_authority = {"data": wanted.certificate_authority}
    cluster.identity = {"oidc": {"issuer": wanted.issuer}}


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
