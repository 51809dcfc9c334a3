"""Create the Vault server, unless it is external, and in it the transit key and the role that may sign."""

from pathlib import Path
from typing import Final

import pulumi
from pulumi import ResourceOptions

import contracts
from infra.capabilities.signing.grants import WORKLOAD
from infra.capabilities.signing.settings import Vault as VaultSettings
from infra.capabilities.signing.vault_server import VaultServer, VaultServerArgs
from infra.context import Context
from infra.kube.signing_keys import SigningKeys, SigningKeysArgs
from infra.limits.flows import VAULT, VAULT_PODS
from infra.limits.grants import Workload
from infra.links import Artifacts, Database, Identity, Signing, VaultLogin
from infra.providers import vault_provider
from infra.vault.audit import AuditLog
from infra.vault.login import SignerAccess, SignerAccessArgs, SignerTrust, SignerTrustArgs
from infra.vault.transit import SigningKey, SigningKeyArgs

# The API server's address for pods.
_KUBERNETES_URL: Final = "https://kubernetes.default.svc"


def make_signing(context: Context, database: Database, artifacts: Artifacts) -> Signing:
    """Create the signer's identity, the key and the right to sign; export Vault's address and the key.

    Its public keys go to the pods that verify models, too.
    """
    # Vault identifies the signer by its service account, so it needs one even without an IAM role.
    signer = context.identity(WORKLOAD, artifacts, database) or context.service_account(WORKLOAD)
    vault = context.providers.external_vault
    signing = _in_cluster(context, signer) if vault is None else _external(context, vault, signer)
    pulumi.export("vault_transit_mount", signing.vault.transit_mount)
    pulumi.export("vault_signing_key", signing.vault.signing_key)
    pulumi.export("signing_keys", signing.trusted_keys)
    return signing


def _in_cluster(context: Context, signer: Identity) -> Signing:
    settings = context.settings
    namespace = context.closed_namespace(contracts.VAULT_NAMESPACE)
    server = VaultServer(
        "vault",
        VaultServerArgs(
            namespace=namespace,
            image=settings.images.of("vault"),
            storage=settings.vault.storage,
            storage_class=settings.cluster.storage_class,
            traffic=context.traffic(VAULT_PODS),
        ),
        context.opts,
    )
    url = context.address("vault", server.url)
    in_vault = ResourceOptions(providers=[vault_provider(settings.vault, url, server.root_token, server)])
    audit = AuditLog("vault-audit", in_vault)
    # Vault logs requests only once the audit device is on, so it comes before everything else in Vault.
    in_vault = ResourceOptions.merge(in_vault, ResourceOptions(depends_on=[audit]))
    key = _key(settings.vault, in_vault)
    access = SignerAccess(
        "signer-access",
        SignerAccessArgs(
            mount=key.mount,
            key=key.key,
            signers=_signers(context),
            kubernetes_host=_KUBERNETES_URL,
            auth_mount=settings.vault.auth_mount,
        ),
        in_vault,
    )
    pulumi.export("vault_url", url)
    pulumi.export("vault_namespace", namespace)
    # For administrators: the signer never uses it.
    pulumi.export("vault_root_token", server.root_token)
    return Signing(
        signer=signer,
        vault=_login(settings.vault, VAULT.url, access.roles[contracts.SIGNER_ROLE]),
        roles=access.roles,
        trusted_keys=key.trusted_keys,
        published=_published(context, key),
        ready=access,
        namespace=namespace,
    )


def _external(context: Context, provider: pulumi.ProviderResource, signer: Identity) -> Signing:
    settings, cloud = context.settings.vault, context.cloud
    address = settings.address or ""
    in_vault = ResourceOptions(providers=[provider])
    key = _key(settings, in_vault)
    trust = SignerTrust(
        "signer-trust",
        SignerTrustArgs(
            mount=key.mount,
            key=key.key,
            signers=_signers(context),
            auth_mount=settings.auth_mount,
            policy=f"{settings.auth_mount}-{contracts.SIGNER_ROLE}",
            issuer=cloud.issuer if cloud else context.settings.cluster.oidc_issuer or "",
        ),
        in_vault,
    )
    pulumi.export("vault_url", address)
    return Signing(
        signer=signer,
        vault=_login(settings, address, trust.roles[contracts.SIGNER_ROLE]),
        roles=trust.roles,
        trusted_keys=key.trusted_keys,
        published=_published(context, key),
        ready=trust,
    )


def _signers(context: Context) -> list[Workload]:
    return [workload for workload in context.settings.identities() if workload.vault_role is not None]


def _published(context: Context, key: SigningKey) -> pulumi.Resource:
    args = SigningKeysArgs(namespace=context.namespace, pem=key.trusted_keys)
    return SigningKeys("mlflow-signing-keys", args, context.in_place)


def _login(settings: VaultSettings, address: str, role: pulumi.Output[str]) -> VaultLogin:
    return VaultLogin(
        address=address,
        role=role,
        auth_mount=settings.auth_mount,
        transit_mount=settings.transit_mount,
        signing_key=settings.signing_key,
        authorities=None if settings.authorities is None else Path(settings.authorities).read_text(),
        namespace=settings.namespace,
    )


def _key(settings: VaultSettings, in_vault: ResourceOptions) -> SigningKey:
    return SigningKey(
        "signing-key",
        SigningKeyArgs(
            mount=settings.transit_mount,
            key=settings.signing_key,
            deletion_allowed=settings.key_deletion_allowed,
            least_version=settings.min_key_version,
        ),
        in_vault,
    )
