"""The explicit providers of a stack: without one, `pulumi:disable-default-providers` refuses a resource."""

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
    """The providers that need no look-up; None is what the environment doesn't have.

    `aws` and `replica` come with the account, in its region and in the replicas'.
    """

    aws: tuple[Account, pulumi_aws.Provider] | None
    replica: tuple[Account, pulumi_aws.Provider] | None
    random: pulumi_random.Provider
    external_vault: pulumi_vault.Provider | None


def first_providers(settings: Settings) -> Providers:
    """Make the providers that need no look-up, the one that looks up first: its plugin starts meanwhile."""
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
    """Return the AWS side of the environment, None where it has none; blocks until AWS has answered.

    Raises:
        LookUpError: The cluster or its identity provider can't be found.
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
        cluster=eks,
        protected=settings.environment.protected,
    )


def cluster_provider(settings: Cluster, eks: tuple[str, str] | None) -> pulumi_kubernetes.Provider:
    """Return the provider of the stack's cluster, by the path or the text of a kubeconfig without credentials.

    `eks` are the kubeconfig and the ARN of an EKS cluster.
    """
    stack = f"{pulumi.get_project()}-{pulumi.get_stack()}"
    kubeconfig, identifier = eks or (None, stack)
    return pulumi_kubernetes.Provider(
        "cluster",
        kubeconfig=settings.kubeconfig or kubeconfig,
        context=settings.context,
        # A renewed certificate or a moved kubeconfig is the same cluster, and nothing in it is replaced. Another EKS
        # cluster has another ARN, and everything is made there.
        cluster_identifier=identifier,
        # A changed ConfigMap or Secret gets a new name, so that pods roll, and a pod of the previous rollout that
        # restarts meanwhile still finds its own.
        enable_config_map_mutable=False,
        enable_secret_mutable=False,
    )


def aws_provider(name: str, account: Account, api: AwsApi) -> pulumi_aws.Provider:
    """Return the provider of an account's region, which refuses the credentials of any other account."""
    return pulumi_aws.Provider(
        name, region=account.region, allowed_account_ids=[account.account_id], **api.provider_arguments()
    )


def vault_provider(
    settings: Vault,
    address: pulumi.Input[str],
    token: pulumi.Input[str] | None = None,
    server: pulumi.Resource | None = None,
) -> pulumi_vault.Provider:
    """Return the provider of the Vault at `address`; without a token it uses the environment variable VAULT_TOKEN."""
    return pulumi_vault.Provider(
        "vault",
        address=address,
        token=token,
        ca_cert_file=settings.authorities,
        namespace=settings.namespace,
        # A child token would be one more secret, made and lost with every preview.
        skip_child_token=True,
        # The address of a Vault in the cluster exists before it answers.
        opts=pulumi.ResourceOptions(depends_on=[] if server is None else [server]),
    )
