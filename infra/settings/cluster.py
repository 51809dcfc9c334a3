"""The Kubernetes cluster that a stack is deployed to, and the images that its pods run."""

from typing import Final

from pydantic import Field

import contracts
from infra.settings.section import ExistingFile, Network, Section, Subdomain

# What claims call the StorageClass that a stack makes.
GP3_CLASS: Final = "aegis-gp3"
# A registry with or without a port, the path, and a tag, a digest, or both:
# https://github.com/distribution/reference/blob/main/reference.go
_PATH = r"[a-z0-9]+([._-]+[a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
_TAG = r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"@sha256:[0-9a-f]{64}"
_IMAGE = rf"^{_PATH}({_TAG}|{_DIGEST}|{_TAG}{_DIGEST})$"


class Cluster(Section):
    """The Kubernetes cluster: an EKS cluster by its name, or any cluster by a kubeconfig."""

    eks_name: str | None = Field(
        default=None,
        # https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
        pattern=r"^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$",
        description="the name of an existing EKS cluster, which is looked up; default: none",
    )
    kubeconfig: ExistingFile | None = Field(
        default=None,
        description="the path of an existing kubeconfig file (the environment's KUBECONFIG fills in "
        "when it is not set; "
        "an EKS cluster needs none)",
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
        description="the name of a StorageClass of the cluster (where AEGIS_CONTEXT names it, the environment's "
        f"{contracts.STORAGE_CLASS_ENV} fills in when this is not set)",
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


class Images(Section):
    """The reference of each image; `make up` writes them to a file, a cloud stack names its registry's."""

    postgres: str | None = Field(
        default=None,
        pattern=_IMAGE,
        description="an image reference with a tag or a digest, of PostgreSQL in the cluster",
    )
    s3: str | None = Field(
        default=None,
        pattern=_IMAGE,
        description="an image reference with a tag or a digest, of the S3 server in the cluster",
    )
    vault: str | None = Field(
        default=None, pattern=_IMAGE, description="an image reference with a tag or a digest, of Vault in the cluster"
    )
    mlflow: str = Field(pattern=_IMAGE, description="an image reference with a tag or a digest, of the MLflow server")
    workloads: str = Field(pattern=_IMAGE, description="an image reference with a tag or a digest, of the workloads")
    trainer: str | None = Field(
        default=None, pattern=_IMAGE, description="an image reference with a tag or a digest, of the trainer"
    )

    def of(self, name: str) -> str:
        """Return the reference of an image that the stack runs.

        Raises:
            ValueError: It is not set, which the check of the settings lets nobody come to.
        """
        reference: str | None = getattr(self, name)
        if reference is None:
            raise ValueError(f"images.{name} is not set.")
        return reference
