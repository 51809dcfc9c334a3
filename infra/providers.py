"""The explicit providers of a stack: without one, `pulumi:disable-default-providers` refuses a resource."""

import pulumi
import pulumi_kubernetes
import pulumi_random
import pulumi_vault

from infra.settings import Cluster


def cluster_provider(settings: Cluster) -> pulumi_kubernetes.Provider:
    """Return the provider of the stack's cluster, by the path of its kubeconfig: credentials stay out of the state."""
    return pulumi_kubernetes.Provider(
        "cluster",
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        # A renewed certificate or a moved kubeconfig is the same cluster: nothing in it is replaced.
        cluster_identifier=f"{pulumi.get_project()}-{pulumi.get_stack()}",
        # A changed ConfigMap or Secret gets a new name, so that pods roll, and a pod of the last rollout that restarts
        # half-way still finds what it was made for.
        enable_config_map_mutable=False,
        enable_secret_mutable=False,
    )


def random_provider() -> pulumi_random.Provider:
    """Return the provider of passwords and keys."""
    return pulumi_random.Provider("random")


def vault_provider(
    address: pulumi.Input[str], token: pulumi.Input[str], server: pulumi.Resource
) -> pulumi_vault.Provider:
    """Return the provider of the Vault at `address`, which is unknown before the first update."""
    return pulumi_vault.Provider(
        "vault",
        address=address,
        token=token,
        # A child token would be a secret more to make and to lose with every preview.
        skip_child_token=True,
        # Vault's address exists before it answers.
        opts=pulumi.ResourceOptions(depends_on=[server]),
    )
