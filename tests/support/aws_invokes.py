"""The results of the program's AWS lookups, with property names as in Pulumi's protocol."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.support.aws_mocks import ACCOUNT_ID

# The names of clusters that are missing or incomplete. Every other name is a complete cluster.
ABSENT_CLUSTER = "absent"
CLUSTER_WITHOUT_PROVIDER = "without-provider"
UNFINISHED_CLUSTER = "unfinished"

CERTIFICATE_AUTHORITY = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t"
VPC_ID = "vpc-0a1b2c3d4e5f60718"
SUBNET_IDS = ["subnet-0a1b2c3d4e5f60718", "subnet-1a1b2c3d4e5f60718", "subnet-2a1b2c3d4e5f60718"]
SECURITY_GROUP_ID = "sg-0a1b2c3d4e5f60718"

Inputs = Mapping[str, Any]


class RefusedError(Exception):
    """An error of the provider because AWS refused a call."""


def issuer(cluster: str) -> str:
    return f"https://oidc.eks.eu-west-1.amazonaws.com/id/{cluster.upper()}"


def _cluster(inputs: Inputs) -> dict[str, Any]:
    name = inputs["name"]
    if name == ABSENT_CLUSTER:
        raise RefusedError(f"reading EKS Cluster ({name}): couldn't find resource")
    return {
        "name": name,
        "status": "CREATING" if name == UNFINISHED_CLUSTER else "ACTIVE",
        "endpoint": f"https://{name}.eks.example.com",
        "certificateAuthorities": [{"data": CERTIFICATE_AUTHORITY}],
        "identities": [] if name == UNFINISHED_CLUSTER else [{"oidcs": [{"issuer": issuer(name)}]}],
        "vpcConfig": {
            "vpcId": VPC_ID,
            "subnetIds": SUBNET_IDS,
            "clusterSecurityGroupId": SECURITY_GROUP_ID,
            # Security groups of the control plane only.
            "securityGroupIds": ["sg-9a1b2c3d4e5f60718"],
        },
    }


def _vpc(inputs: Inputs) -> dict[str, Any]:
    associations = [("10.0.0.0/16", "associated"), ("100.64.0.0/16", "associated"), ("10.9.0.0/16", "disassociated")]
    return {
        "id": inputs["id"],
        "cidrBlock": "10.0.0.0/16",
        "cidrBlockAssociations": [{"cidrBlock": block, "state": state} for block, state in associations],
    }


def _identity_provider(inputs: Inputs) -> dict[str, Any]:
    url = inputs["url"]
    if url == issuer(CLUSTER_WITHOUT_PROVIDER):
        raise RefusedError(f"finding IAM OIDC Provider by url ({url}): not found")
    return {"url": url, "arn": f"arn:aws:iam::{ACCOUNT_ID}:oidc-provider/{url.removeprefix('https://')}"}


ANSWERS: dict[str, Callable[[Inputs], dict[str, Any]]] = {
    "aws:eks/getCluster:getCluster": _cluster,
    "aws:ec2/getVpc:getVpc": _vpc,
    "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider": _identity_provider,
}
