"""The AWS side of an environment: the account, its providers, and the cluster whose pods get IAM roles."""

from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions

from infra.aws.eks import EksCluster, kubeconfig
from infra.aws.emulation import AwsApi
from infra.limits.account import Account


@dataclass(frozen=True, kw_only=True, slots=True)
class Cloud:
    """The AWS account of an environment, and the options with which capabilities make resources in it.

    `replica` is the account in the region of the replicas, and its provider. `issuer` and `oidc_provider_arn` are those
    of the cluster's service-account tokens, which pods exchange for IAM roles. `eks` is None if the cluster isn't
    an EKS cluster: its pods still get roles, but there is no VPC.
    """

    account: Account
    api: AwsApi
    opts: ResourceOptions
    replica: tuple[Account, pulumi.ProviderResource] | None
    issuer: str
    oidc_provider_arn: str
    eks: EksCluster | None
    protected: bool

    @property
    def cluster_access(self) -> tuple[str, str] | None:
        """The kubeconfig and the ARN of the EKS cluster, None for another cluster."""
        if self.eks is None:
            return None
        arn = self.account.arn("eks", f"cluster/{self.eks.name}")
        return kubeconfig(self.eks, self.account.region), arn

    @property
    def vpc_cidrs(self) -> tuple[str, ...]:
        """The IPv4 networks of the EKS cluster's VPC, none for another cluster."""
        return self.eks.vpc_cidrs if self.eks else ()
