"""Settings of the Kubernetes cluster that a stack is deployed to."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pydantic import Field

import contracts
from infra.settings.capability import Capability
from infra.settings.section import ExistingFile, Network, Subdomain

if TYPE_CHECKING:
    from infra.settings.model import Settings

# The name of the StorageClass that a stack makes.
GP3_CLASS: Final = "aegis-gp3"


class Cluster(Capability):
    """The Kubernetes cluster: an EKS cluster by its name, or any cluster by a kubeconfig."""

    eks_name: str | None = Field(
        default=None,
        # https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
        pattern=r"^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$",
        description="the name of an existing EKS cluster, which is looked up; default: none",
    )
    kubeconfig: ExistingFile | None = Field(
        default=None,
        description="the path of an existing kubeconfig file (the environment variable KUBECONFIG fills in when it "
        "is not set; an EKS cluster needs none)",
    )
    context: str | None = Field(
        default=None, min_length=1, description="a context of the kubeconfig; default: its current one"
    )
    oidc_issuer: str | None = Field(
        default=None,
        pattern=r"^https://[a-z0-9.-]+(/[A-Za-z0-9._/-]*)?$",
        description="the https URL of the issuer of the cluster's service-account tokens, which the AWS account has as "
        "an identity provider; an EKS cluster's is looked up",
    )
    storage_class: Subdomain = Field(
        default="standard",
        description="the name of a StorageClass of the cluster (where AEGIS_CONTEXT names it, the environment "
        f"variable {contracts.STORAGE_CLASS_ENV} fills in when this is not set)",
    )
    gp3_class: bool = Field(
        default=False,
        description=f"true or false: whether the stack makes the StorageClass {GP3_CLASS}, of encrypted gp3 volumes",
    )
    domain: Subdomain = Field(default="cluster.local", description="the DNS domain of the cluster")
    dns_networks: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, in which names are looked up beside "
        "CoreDNS's pods: for a NodeLocal DNSCache 169.254.20.10 and, as the cache answers there too, the address of "
        "the DNS Service",
    )

    def problems(self, settings: "Settings") -> Iterator[str]:
        """Yield a line for each problem of the cluster."""
        if self.kubeconfig is None and self.eks_name is None:
            yield (
                "cluster.kubeconfig: not set; allowed: the path of an existing kubeconfig file (the environment "
                "variable KUBECONFIG fills in), or eksName, the name of an existing EKS cluster"
            )
        if self.eks_name is not None and not settings.has_emulated_aws:
            for key, value in (("kubeconfig", self.kubeconfig), ("context", self.context)):
                if value is not None:
                    yield (
                        f"cluster.{key}: given with eksName; allowed: one of them, as an EKS cluster is reached by "
                        "its name"
                    )
        if self.eks_name is not None and self.oidc_issuer is not None:
            yield (
                "cluster.oidcIssuer: given with eksName; allowed: one of them, as an EKS cluster's issuer is looked up"
            )
        if self.storage_class == GP3_CLASS and not self.gp3_class:
            yield f'cluster.storageClass: got "{GP3_CLASS}"; allowed with gp3Class true only, which makes it'

    @property
    def gives_aws_roles(self) -> bool:
        """Whether pods can get AWS roles: by the tokens of an issuer that AWS knows."""
        return self.eks_name is not None or self.oidc_issuer is not None
