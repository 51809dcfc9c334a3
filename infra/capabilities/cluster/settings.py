"""Settings of the Kubernetes cluster of a stack."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pydantic import Field

import contracts
from infra.settings.capability import Capability
from infra.settings.section import ExistingFile, Network, Subdomain

if TYPE_CHECKING:
    from infra.settings.model import Settings

# The name of the StorageClass that the stack creates.
GP3_CLASS: Final = "aegis-gp3"


class Cluster(Capability):
    """The Kubernetes cluster: an EKS cluster by its name, or any other cluster by a kubeconfig."""

    eks_name: str | None = Field(
        default=None,
        # https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
        pattern=r"^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$",
        description="the name of an existing EKS cluster, which the program looks up; default: none",
    )
    kubeconfig: ExistingFile | None = Field(
        default=None,
        description="the path of an existing kubeconfig file, not for an EKS cluster; default: the environment "
        "variable KUBECONFIG",
    )
    context: str | None = Field(
        default=None, min_length=1, description="a context of the kubeconfig; default: its current context"
    )
    oidc_issuer: str | None = Field(
        default=None,
        pattern=r"^https://[a-z0-9.-]+(/[A-Za-z0-9._/-]*)?$",
        description="the https URL of the issuer of the cluster's service-account tokens, which must be an identity "
        "provider in the AWS account; not for an EKS cluster, whose issuer the program looks up",
    )
    storage_class: Subdomain = Field(
        default="standard",
        description="the name of a StorageClass of the cluster (with AEGIS_CONTEXT, the environment variable "
        f"{contracts.STORAGE_CLASS_ENV} replaces the default)",
    )
    gp3_class: bool = Field(
        default=False,
        description=f"true or false: whether the stack creates the StorageClass {GP3_CLASS} of encrypted gp3 volumes",
    )
    domain: Subdomain = Field(default="cluster.local", description="the DNS domain of the cluster")
    dns_networks: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, that pods may query for names in "
        "addition to CoreDNS's pods: for a NodeLocal DNSCache, 169.254.20.10 and the address of the DNS Service, where "
        "the cache answers, too",
    )

    def problems(self, settings: "Settings") -> Iterator[str]:
        """Yield a line for each problem of the cluster's settings."""
        if self.kubeconfig is None and self.eks_name is None:
            yield (
                "cluster.kubeconfig: not set; allowed: the path of an existing kubeconfig file (default: the "
                "environment variable KUBECONFIG), or instead eksName, the name of an existing EKS cluster"
            )
        if self.eks_name is not None and not settings.has_emulated_aws:
            for key, value in (("kubeconfig", self.kubeconfig), ("context", self.context)):
                if value is not None:
                    yield (
                        f"cluster.{key}: set with eksName; allowed: only one of them, as an EKS cluster is reached by "
                        "its name"
                    )
        if self.eks_name is not None and self.oidc_issuer is not None:
            yield (
                "cluster.oidcIssuer: set with eksName; allowed: only one of them, as the program looks up the issuer "
                "of an EKS cluster"
            )
        if self.storage_class == GP3_CLASS and not self.gp3_class:
            yield f'cluster.storageClass: got "{GP3_CLASS}"; allowed only with gp3Class true, which creates it'

    @property
    def gives_aws_roles(self) -> bool:
        """True if pods can get IAM roles, by tokens of an issuer that AWS trusts."""
        return self.eks_name is not None or self.oidc_issuer is not None
