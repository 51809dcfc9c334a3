"""Look-ups of the existing EKS cluster that the stack is deployed to, and its kubeconfig."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pulumi

from infra.limits.account import Account

# In any other state the cluster has no identity provider yet, or is about to lose it:
# https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html
_IN_SERVICE: Final = ("ACTIVE", "UPDATING")


class LookUpError(pulumi.RunError):
    """The cluster or identity provider that the stack is deployed to can't be found; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EksCluster:
    """An EKS cluster: its API server, the issuer of its service-account tokens, and its network.

    `certificate_authority` is PEM in base64. `security_group_id` is the group that EKS made for the cluster; its nodes
    are in this group unless their launch template says otherwise.
    """

    name: str
    endpoint: str
    certificate_authority: str
    issuer: str
    oidc_provider_arn: str
    vpc_id: str
    vpc_cidrs: tuple[str, ...]
    security_group_id: str
    subnet_ids: tuple[str, ...]


def look_up(name: str, account: Account, provider: pulumi.ProviderResource) -> EksCluster:
    """Return the EKS cluster `name` of the account and region. Blocks until AWS has answered.

    Raises:
        LookUpError: The cluster doesn't exist, isn't in service or has no identity provider in IAM, or the call to AWS
            fails.
    """
    with _explained(
        f"the EKS cluster {name!r} of {_place(account)} can't be looked up: create it first, or correct its name"
    ):
        cluster = _ask("aws:eks/getCluster:getCluster", provider, name=name)
    if cluster["status"] not in _IN_SERVICE:
        raise LookUpError(
            f"the EKS cluster {name!r} of {_place(account)} must be {' or '.join(_IN_SERVICE)}, "
            f"got {cluster['status']}."
        )
    network = cluster["vpcConfig"]
    with _explained(f"the VPC {network['vpcId']} of the EKS cluster {name!r} can't be looked up"):
        vpc = _ask("aws:ec2/getVpc:getVpc", provider, id=network["vpcId"])
    issuer = cluster["identities"][0]["oidcs"][0]["issuer"]
    return EksCluster(
        name=name,
        endpoint=cluster["endpoint"],
        certificate_authority=cluster["certificateAuthorities"][0]["data"],
        issuer=issuer,
        oidc_provider_arn=look_up_identity_provider(issuer, account, provider),
        vpc_id=network["vpcId"],
        vpc_cidrs=tuple(each["cidrBlock"] for each in vpc["cidrBlockAssociations"] if each["state"] == "associated"),
        security_group_id=network["clusterSecurityGroupId"],
        subnet_ids=tuple(network["subnetIds"]),
    )


def look_up_identity_provider(issuer: str, account: Account, provider: pulumi.ProviderResource) -> str:
    """Return the ARN of the account's identity provider for a cluster's issuer. Blocks until AWS has answered.

    Raises:
        LookUpError: The account has no such provider, or the call to AWS fails.
    """
    with _explained(
        f"the identity provider of {issuer} in {_place(account)} can't be looked up. Pods need it to get IAM "
        "roles; create it once, on EKS with `eksctl utils associate-iam-oidc-provider --cluster NAME --approve`"
    ):
        return _ask("aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider", provider, url=issuer)["arn"]


def kubeconfig(cluster: EksCluster, region: str) -> str:
    """Return a kubeconfig that logs in with the AWS credentials of its user, and so holds no secret.

    https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html
    """
    arguments = ["--region", region, "eks", "get-token", "--cluster-name", cluster.name, "--output", "json"]
    login = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": arguments,
        "interactiveMode": "Never",
    }
    server = {"server": cluster.endpoint, "certificate-authority-data": cluster.certificate_authority}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": cluster.name, "cluster": server}],
            "users": [{"name": cluster.name, "user": {"exec": login}}],
            "contexts": [{"name": cluster.name, "context": {"cluster": cluster.name, "user": cluster.name}}],
            "current-context": cluster.name,
        }
    )


def _ask(function: str, provider: pulumi.ProviderResource, **arguments: str) -> dict[str, Any]:
    """Call a function of the AWS package by its token, and return its result with the names of its schema.

    The SDK's `get_...` functions would have to be imported before the call, half a second for the EC2 package alone.
    This way everything is imported while AWS answers.
    """
    return pulumi.runtime.invoke(function, arguments, pulumi.InvokeOptions(provider=provider)).value


def _place(account: Account) -> str:
    return f"the AWS account {account.account_id} in {account.region}"


@contextmanager
def _explained(problem: str) -> Iterator[None]:
    """Raise a `LookUpError` with `problem` and the provider's message if the call inside fails."""
    try:
        yield
    except Exception as error:
        # The SDK raises a plain Exception for a call that the provider refuses.
        raise LookUpError(f"{problem}.\n{error}") from error
