"""The explicit providers of a stack, which every resource needs because of `pulumi:disable-default-providers`."""

from dataclasses import dataclass, replace

import pulumi
import pulumi_aws
import pulumi_kubernetes
import pulumi_random
import pulumi_vault
from pulumi import ResourceOptions

from infra.aws.cloud import Cloud
from infra.aws.eks import look_up, look_up_identity_provider
from infra.aws.emulation import AwsApi
from infra.capabilities.cluster.settings import Cluster
from infra.capabilities.signing.settings import Vault
from infra.limits.account import Account
from infra.settings.model import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Providers:
    """The providers that need no look-up in AWS; those that the environment doesn't use are None.

    `aws` and `replica` are each the AWS account and its provider, in the environment's and in the replicas' region.
    """

    aws: tuple[Account, pulumi_aws.Provider] | None
    replica: tuple[Account, pulumi_aws.Provider] | None
    random: pulumi_random.Provider
    external_vault: pulumi_vault.Provider | None


def first_providers(settings: Settings) -> Providers:
    """Make the providers that need no look-up in AWS.

    The `aws` provider comes first, so that its plugin starts while the others are made: the look-ups need it.
    """
    aws = replica = vault = None
    if settings.uses_aws and settings.aws is not None and settings.environment is not None:
        account = settings.aws.account(pulumi.get_project(), settings.environment)
        aws = (account, aws_provider("aws", account, settings.aws.api))
        if settings.artifact_store.replica_region is not None:
            replica_account = replace(account, region=settings.artifact_store.replica_region)
            replica = (replica_account, aws_provider("aws-replica", replica_account, settings.aws.api))
    random = pulumi_random.Provider("random")
    if settings.vault.kind == "external" and not settings.only_repositories:
        vault = vault_provider(settings.vault, settings.vault.address or "")
    return Providers(aws=aws, replica=replica, random=random, external_vault=vault)


def look_up_cloud(settings: Settings, providers: Providers) -> Cloud | None:
    """Return the environment's AWS side, None if it has none. Blocks until AWS has answered.

    Raises:
        LookUpError: The EKS cluster or the cluster's identity provider can't be found.
    """
    if providers.aws is None or settings.aws is None or settings.environment is None:
        return None
    account, provider = providers.aws
    eks = look_up(settings.cluster.eks_name, account, provider) if settings.cluster.eks_name else None
    issuer = eks.issuer if eks else settings.cluster.oidc_issuer or ""
    return Cloud(
        account=account,
        api=settings.aws.api,
        opts=ResourceOptions(provider=provider),
        replica=providers.replica,
        issuer=issuer,
        oidc_provider_arn=eks.oidc_provider_arn if eks else look_up_identity_provider(issuer, account, provider),
        eks=eks,
        protected=settings.environment.protected,
    )


def cluster_provider(
    settings: Cluster, eks: tuple[str, str] | None, *, in_place: bool = False
) -> pulumi_kubernetes.Provider:
    """Return the provider of the stack's cluster, or the one of ConfigMaps that change `in_place`.

    `eks` is the kubeconfig and the ARN of an EKS cluster, None for another cluster. The path of a kubeconfig in the
    settings comes before that of `eks`.
    """
    stack = f"{pulumi.get_project()}-{pulumi.get_stack()}"
    kubeconfig, identifier = eks or (None, stack)
    return pulumi_kubernetes.Provider(
        "cluster-in-place" if in_place else "cluster",
        kubeconfig=settings.kubeconfig or kubeconfig,
        context=settings.context,
        # The identifier tells Pulumi that it is still the same cluster after its certificate was renewed or its
        # kubeconfig moved, so that nothing is replaced. Another EKS cluster has another ARN: everything is made there.
        cluster_identifier=identifier,
        # A changed ConfigMap or Secret gets a new name, so that pods are rolled out again, and a pod of the previous
        # rollout that restarts in the meantime still finds its old one.
        enable_config_map_mutable=in_place,
        enable_secret_mutable=False,
    )


def aws_provider(name: str, account: Account, api: AwsApi) -> pulumi_aws.Provider:
    """Return the provider of a region of an AWS account, which refuses credentials of any other account."""
    return pulumi_aws.Provider(
        name, region=account.region, allowed_account_ids=[account.account_id], **api.provider_arguments()
    )


def vault_provider(
    settings: Vault,
    address: pulumi.Input[str],
    token: pulumi.Input[str] | None = None,
    server: pulumi.Resource | None = None,
) -> pulumi_vault.Provider:
    """Return the provider of the Vault server at `address`, which is `server` if the stack runs it.

    Without a `token`, the provider uses the environment variable VAULT_TOKEN.
    """
    return pulumi_vault.Provider(
        "vault",
        address=address,
        token=token,
        ca_cert_file=settings.authorities,
        namespace=settings.namespace,
        # A child token would be one more secret, created by every preview and never used again.
        skip_child_token=True,
        # The address of a Vault server in the cluster is known before the server answers.
        opts=pulumi.ResourceOptions(depends_on=[] if server is None else [server]),
    )
