"""The EKS cluster that the stack is deployed to: it exists already, and is looked up by its name."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, eks, iam

from infra.aws.account import Account


class LookUpError(pulumi.RunError):
    """What the stack is deployed to can't be found; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EksCluster:
    """An EKS cluster: its API server, the issuer of its service-account tokens, and its network.

    `certificate_authority` is PEM in base64, `security_group_id` the group that EKS made for it,
    which nodes are in unless their launch template says otherwise.
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
    """Return the cluster `name` of the account and region; blocks until AWS has answered.

    Raises:
        LookUpError: There is no such cluster, it has no identity provider in IAM, or AWS can't be asked.
    """
    options = pulumi.InvokeOptions(provider=provider)
    with _explained(
        f"the EKS cluster {name!r} of {_place(account)} can't be looked up: make it first, or correct its name"
    ):
        cluster = eks.get_cluster(name=name, opts=options)
    network = cluster.vpc_config
    with _explained(f"the VPC {network.vpc_id} of the EKS cluster {name!r} can't be looked up"):
        vpc = ec2.get_vpc(id=network.vpc_id, opts=options)
    issuer = cluster.identities[0].oidcs[0].issuer
    return EksCluster(
        name=name,
        endpoint=cluster.endpoint,
        certificate_authority=cluster.certificate_authorities[0].data,
        issuer=issuer,
        oidc_provider_arn=look_up_identity_provider(issuer, account, provider),
        vpc_id=network.vpc_id,
        vpc_cidrs=tuple(each.cidr_block for each in vpc.cidr_block_associations if each.state == "associated"),
        security_group_id=network.cluster_security_group_id,
        subnet_ids=tuple(network.subnet_ids),
    )


def look_up_identity_provider(issuer: str, account: Account, provider: pulumi.ProviderResource) -> str:
    """Return the ARN of the account's identity provider for a cluster's issuer; blocks until AWS has answered.

    Raises:
        LookUpError: There is none, or AWS can't be asked.
    """
    with _explained(
        f"the identity provider of {issuer} in {_place(account)} can't be looked up, and without it no pod gets a "
        "role: make it once, on EKS with `eksctl utils associate-iam-oidc-provider --cluster NAME --approve`"
    ):
        return iam.get_open_id_connect_provider(url=issuer, opts=pulumi.InvokeOptions(provider=provider)).arn


def kubeconfig(cluster: EksCluster, region: str) -> str:
    """Return a kubeconfig whose user is whoever the AWS credentials of the caller are: it holds no secret.

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


def _place(account: Account) -> str:
    return f"the AWS account {account.account_id} in {account.region}"


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # The SDK has no narrower class for a call that the provider refused.
        raise LookUpError(f"{what}.\n{error}") from error
