"""AWS as an environment sees it: the account, its providers, and the cluster whose pods get roles."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi
from pulumi import ResourceOptions

from infra.assembly.providers import Providers
from infra.aws.account import Account
from infra.aws.cluster import EksCluster, kubeconfig, look_up, look_up_identity_provider
from infra.cluster.peer import Peer, everywhere
from infra.settings import Settings

_HTTPS = 443


@dataclass(frozen=True, kw_only=True, slots=True)
class Cloud:
    """The account and what makes resources in it; `endpoint` is an emulated API's, None AWS's own.

    `cluster` is None where the stack's cluster is not an EKS one: pods then get roles, and there is no VPC.
    """

    account: Account
    opts: ResourceOptions
    replica: tuple[Account, pulumi.ProviderResource] | None
    issuer: str
    oidc_provider_arn: str
    cluster: EksCluster | None
    protected: bool
    api: tuple[Peer, ...]
    endpoint: str | None

    @property
    def eks(self) -> tuple[str, str] | None:
        """The kubeconfig and the ARN of the EKS cluster, where it is one."""
        if self.cluster is None:
            return None
        arn = self.account.arn("eks", f"cluster/{self.cluster.name}")
        return kubeconfig(self.cluster, self.account.region), arn


def cloud(wanted: Settings, made: Providers) -> Cloud | None:
    """Return the AWS side of the environment, None where it has none; looks the cluster up."""
    if made.aws is None or wanted.aws is None or wanted.environment is None:
        return None
    here, provider = made.aws
    eks = look_up(wanted.cluster.eks_name, here, provider) if wanted.cluster.eks_name else None
    issuer = eks.issuer if eks else wanted.cluster.oidc_issuer or ""
    return Cloud(
        account=here,
        opts=ResourceOptions(provider=provider),
        replica=made.replica,
        issuer=issuer,
        oidc_provider_arn=eks.oidc_provider_arn if eks else look_up_identity_provider(issuer, here, provider),
        cluster=eks,
        protected=wanted.environment.protected,
        api=_api(wanted.aws.endpoint, tuple(wanted.egress.aws)),
        endpoint=wanted.aws.endpoint,
    )


def _api(endpoint: str | None, networks: tuple[str, ...]) -> tuple[Peer, ...]:
    """Return where pods reach the API: the networks of the settings, or anywhere, as S3's addresses change."""
    if endpoint is not None:
        address = urlsplit(endpoint)
        return (Peer(port=address.port or _HTTPS, networks=(f"{address.hostname}/32",)),)
    return (Peer(port=_HTTPS, networks=networks),) if networks else (everywhere(_HTTPS),)
