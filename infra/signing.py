"""Signing in an environment: a Vault (`vault.kind` decides whose), its transit key, and the role that may use it."""

from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions

from infra import topology
from infra.jobs.signer import SignerAccount, SignerAccountArgs
from infra.providers import vault_provider
from infra.settings import Settings
from infra.vault.auth import SignerAccess, SignerAccessArgs
from infra.vault.server import VaultServer, VaultServerArgs
from infra.vault.transit import SigningKey, SigningKeyArgs


@dataclass(frozen=True, kw_only=True, slots=True)
class Signing:
    """Where and as whom a signer logs in, the resource to wait for, and what an administrator needs."""

    service_account: pulumi.Output[str]
    role: pulumi.Output[str]
    ready: pulumi.Resource
    url: pulumi.Output[str]
    root_token: pulumi.Output[str]


def model_signing(
    wanted: Settings, namespace: pulumi.Input[str], signers: pulumi.Input[str], opts: ResourceOptions
) -> Signing:
    """Make what the settings want: Vault in `namespace`, and the account that may sign in the namespace `signers`."""
    account = SignerAccount("signer", SignerAccountArgs(namespace=signers), opts)
    server = VaultServer(
        "vault",
        VaultServerArgs(
            namespace=namespace,
            image=wanted.images.vault,
            storage=wanted.vault.storage,
            storage_class=wanted.cluster.storage_class,
            clients=topology.VAULT_CLIENTS,
        ),
        opts,
    )
    in_vault = ResourceOptions(providers=[vault_provider(server.url, server.root_token, server)])
    key = SigningKey("signing-key", SigningKeyArgs(deletion_allowed=wanted.vault.key_deletion_allowed), in_vault)
    access = SignerAccess(
        "signer-access",
        SignerAccessArgs(
            mount=key.mount,
            key=key.key,
            service_account=account.name,
            namespace=signers,
            kubernetes_host=topology.KUBERNETES_URL,
        ),
        in_vault,
    )
    return Signing(
        service_account=account.name, role=access.role, ready=access, url=server.url, root_token=server.root_token
    )
