"""The explicit providers of a stack: without one, `pulumi:disable-default-providers` refuses a resource."""

from dataclasses import dataclass, replace
from typing import Final

import pulumi
import pulumi_aws
import pulumi_kubernetes
import pulumi_random
import pulumi_vault
from pulumi_aws import ProviderEndpointArgs

from infra.aws.account import Account
from infra.settings import Settings
from infra.settings.cluster import Cluster
from infra.settings.in_aws import account
from infra.settings.workloads import Vault

# What the provider calls: without an endpoint of its own, one of these would go to AWS itself.
_SERVICES: Final = ("ec2", "ecr", "eks", "iam", "kms", "logs", "rds", "s3", "s3control", "sts")


@dataclass(frozen=True, kw_only=True, slots=True)
class Providers:
    """The providers that nothing has to be looked up for; None is what the environment doesn't have.

    `aws` and `replica` come with the account, in its region and in the second one.
    """

    aws: tuple[Account, pulumi_aws.Provider] | None
    replica: tuple[Account, pulumi_aws.Provider] | None
    random: pulumi_random.Provider
    external_vault: pulumi_vault.Provider | None


def first_providers(wanted: Settings) -> Providers:
    """Make the providers whose plugins can start before anything is looked up, the one that looks up first."""
    aws = replica = vault = None
    if wanted.uses_aws and wanted.aws is not None and wanted.environment is not None:
        here, endpoint = account(pulumi.get_project(), wanted.environment, wanted.aws), wanted.aws.endpoint
        aws = (here, aws_provider("aws", here, endpoint))
        if wanted.artifact_store.replica_region is not None:
            there = replace(here, region=wanted.artifact_store.replica_region)
            replica = (there, aws_provider("aws-replica", there, endpoint))
    random = random_provider()
    if wanted.vault.kind == "external" and not wanted.only_repositories:
        vault = vault_provider(wanted.vault, wanted.vault.address or "")
    return Providers(aws=aws, replica=replica, random=random, external_vault=vault)


def cluster_provider(settings: Cluster, eks: tuple[str, str] | None) -> pulumi_kubernetes.Provider:
    """Return the provider of the stack's cluster, by a kubeconfig's path or text that holds no credentials.

    `eks` are the kubeconfig and the ARN of an EKS cluster.
    """
    stack = f"{pulumi.get_project()}-{pulumi.get_stack()}"
    kubeconfig, identifier = eks or (None, stack)
    return pulumi_kubernetes.Provider(
        "cluster",
        kubeconfig=settings.kubeconfig or kubeconfig,
        context=settings.context,
        # A renewed certificate or a moved kubeconfig is the same cluster, and nothing in it is replaced; another EKS
        # cluster is another one, and everything is made there.
        cluster_identifier=identifier,
        # A changed ConfigMap or Secret gets a new name, so that pods roll, and a pod of the last rollout that restarts
        # half-way still finds what it was made for.
        enable_config_map_mutable=False,
        enable_secret_mutable=False,
    )


def aws_provider(name: str, account: Account, endpoint: str | None) -> pulumi_aws.Provider:
    """Return the provider of an account's region, which refuses the credentials of any other account.

    With an `endpoint`, an emulated API's, all that it calls goes there.
    """
    emulated = endpoint is not None
    return pulumi_aws.Provider(
        name,
        region=account.region,
        allowed_account_ids=[account.account_id],
        endpoints=[ProviderEndpointArgs(**dict.fromkeys(_SERVICES, endpoint))] if emulated else None,
        s3_use_path_style=emulated or None,
        skip_metadata_api_check=emulated or None,
        # Pulumi's default is to skip it: a region that is none would be a name that can't be resolved.
        skip_region_validation=emulated,
    )


def random_provider() -> pulumi_random.Provider:
    """Return the provider of passwords and keys."""
    return pulumi_random.Provider("random")


def vault_provider(
    settings: Vault,
    address: pulumi.Input[str],
    token: pulumi.Input[str] | None = None,
    server: pulumi.Resource | None = None,
) -> pulumi_vault.Provider:
    """Return the provider of the Vault at `address`; without a token it takes the environment's VAULT_TOKEN."""
    return pulumi_vault.Provider(
        "vault",
        address=address,
        token=token,
        ca_cert_file=settings.authorities,
        namespace=settings.namespace,
        # A child token would be a secret more to make and to lose with every preview.
        skip_child_token=True,
        # The address of a Vault in the cluster exists before it answers.
        opts=pulumi.ResourceOptions(depends_on=[] if server is None else [server]),
    )
