"""Signing in an environment: a Vault (`vault.kind` decides whose), its transit key, and the role that may use it."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pulumi
from pulumi import ResourceOptions

import contracts
from infra.assembly import topology
from infra.assembly.cloud import Cloud
from infra.assembly.localhost import address
from infra.assembly.namespaces import closed_namespace
from infra.assembly.providers import vault_provider
from infra.aws.service_account import subject
from infra.cluster.peer import Peer
from infra.connections import Identity, Vault
from infra.settings import Settings
from infra.vault.audit import AuditLog
from infra.vault.auth import SignerAccess, SignerAccessArgs
from infra.vault.server import VaultServer, VaultServerArgs
from infra.vault.transit import SigningKey, SigningKeyArgs
from infra.vault.web_identity import SignerTrust, SignerTrustArgs

_HTTPS = 443


@dataclass(frozen=True, kw_only=True, slots=True)
class Signing:
    """Where and as whom a signer logs in, and the resource to wait for.

    `url` is where people reach the Vault; `namespace` and `root_token` are of a Vault in the cluster.
    """

    signer: Identity
    vault: Vault
    ready: pulumi.Resource
    peer: Peer
    url: pulumi.Input[str]
    namespace: pulumi.Output[str] | None = None
    root_token: pulumi.Output[str] | None = None


def model_signing(
    wanted: Settings,
    external_vault: pulumi.ProviderResource | None,
    cloud: Cloud | None,
    signers: pulumi.Input[str],
    signer: Identity,
    opts: ResourceOptions,
) -> Signing:
    """Make what the settings want, for the account `signer` of the namespace `signers`."""
    if external_vault is not None:
        return _external(wanted, external_vault, cloud, signer)
    return _in_cluster(wanted, signers, signer, opts)


def _in_cluster(wanted: Settings, signers: pulumi.Input[str], signer: Identity, opts: ResourceOptions) -> Signing:
    namespace = closed_namespace(contracts.VAULT_NAMESPACE, wanted, opts)
    server = VaultServer(
        "vault",
        VaultServerArgs(
            namespace=namespace,
            image=wanted.images.of("vault"),
            storage=wanted.vault.storage,
            storage_class=wanted.cluster.storage_class,
            clients=topology.VAULT_CLIENTS,
        ),
        opts,
    )
    url = address(wanted, "vault", server.url)
    in_vault = ResourceOptions(providers=[vault_provider(wanted.vault, url, server.root_token, server)])
    audit = AuditLog("vault-audit", in_vault)
    # What is made and used from here on is written down.
    in_vault = ResourceOptions.merge(in_vault, ResourceOptions(depends_on=[audit]))
    key = _key(wanted, in_vault)
    access = SignerAccess(
        "signer-access",
        SignerAccessArgs(
            mount=key.mount,
            key=key.key,
            service_account=signer.service_account,
            namespace=signers,
            kubernetes_host=topology.KUBERNETES_URL,
            auth_mount=wanted.vault.auth_mount,
        ),
        in_vault,
    )
    return Signing(
        signer=signer,
        vault=_connection(wanted, topology.VAULT_URL, access.role),
        ready=access,
        peer=topology.VAULT,
        url=url,
        namespace=namespace,
        root_token=server.root_token,
    )


def _external(wanted: Settings, vault: pulumi.ProviderResource, cloud: Cloud | None, signer: Identity) -> Signing:
    address = wanted.vault.address or ""
    in_vault = ResourceOptions(providers=[vault])
    key = _key(wanted, in_vault)
    trust = SignerTrust(
        "signer-trust",
        SignerTrustArgs(
            mount=key.mount,
            key=key.key,
            auth_mount=wanted.vault.auth_mount,
            role=f"{wanted.vault.auth_mount}-{contracts.SIGNER_ROLE}",
            issuer=cloud.issuer if cloud else wanted.cluster.oidc_issuer or "",
            subject=subject(contracts.MLFLOW_NAMESPACE, contracts.SIGNER_SERVICE_ACCOUNT),
        ),
        in_vault,
    )
    return Signing(
        signer=signer,
        vault=_connection(wanted, address, trust.role),
        ready=trust,
        peer=Peer(port=urlsplit(address).port or _HTTPS, networks=tuple(wanted.egress.vault)),
        url=address,
    )


def _connection(wanted: Settings, address: str, role: pulumi.Output[str]) -> Vault:
    settings = wanted.vault
    return Vault(
        address=address,
        role=role,
        auth_mount=settings.auth_mount,
        transit_mount=settings.transit_mount,
        signing_key=settings.signing_key,
        authorities=None if settings.authorities is None else Path(settings.authorities).read_text(),
        namespace=settings.namespace,
    )


def _key(wanted: Settings, in_vault: ResourceOptions) -> SigningKey:
    settings = wanted.vault
    return SigningKey(
        "signing-key",
        SigningKeyArgs(
            mount=settings.transit_mount, key=settings.signing_key, deletion_allowed=settings.key_deletion_allowed
        ),
        in_vault,
    )
