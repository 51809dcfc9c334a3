"""AWS as an environment sees it: the account, its providers, and the cluster whose pods get roles."""

from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions

from infra.aws.eks import EksCluster, kubeconfig
from infra.aws.emulation import AwsApi
from infra.limits.account import Account


@dataclass(frozen=True, kw_only=True, slots=True)
class Cloud:
    """The account, the API, and what makes resources in it.

    `cluster` is None where the stack's cluster isn't an EKS one: its pods get roles, and there is no VPC.
    """

    account: Account
    api: AwsApi
    opts: ResourceOptions
    replica: tuple[Account, pulumi.ProviderResource] | None
    issuer: str
    oidc_provider_arn: str
    cluster: EksCluster | None
    protected: bool

    @property
    def eks(self) -> tuple[str, str] | None:
        """The kubeconfig and the ARN of the EKS cluster, if it is one."""
        if self.cluster is None:
            return None
        arn = self.account.arn("eks", f"cluster/{self.cluster.name}")
        return kubeconfig(self.cluster, self.account.region), arn

    @property
    def vpc_cidrs(self) -> tuple[str, ...]:
        """The networks of the cluster's VPC, if it is an EKS cluster."""
        return self.cluster.vpc_cidrs if self.cluster else ()
