"""Settings of the Vault server that signs models."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

import contracts
from infra.capabilities.signing.alerts import sealed, unreachable
from infra.capabilities.signing.grants import WORKLOAD
from infra.limits.alerts import Alert
from infra.limits.flows import API_SERVER, VAULT, VAULT_PODS, Flow, Server, outside
from infra.limits.grants import Workload
from infra.limits.scraping import Target
from infra.settings.capability import Capability, only_with
from infra.settings.names import AuthMount, Mount, TransitKey, VaultNamespace
from infra.settings.section import VOLUME_SIZES, CertificatesFile, HttpsAddress, VolumeSize

if TYPE_CHECKING:
    from infra.settings.model import Settings

# Of some 500 figures, most of them about storage and the language's run time.
_FIGURES: Final = "vault_(core_(unsealed|active|handle_request.*)|token_count|runtime_(alloc_bytes|num_goroutines))"


class Vault(Capability):
    """The Vault server that signs models."""

    kind: Literal["in-cluster", "external"] = Field(
        default="in-cluster",
        description="in-cluster (a Vault server as a StatefulSet) or external (the server at `address`; Pulumi logs in "
        "with the environment variable VAULT_TOKEN)",
    )
    storage: VolumeSize = Field(default="1Gi", description=f"in-cluster only: {VOLUME_SIZES}, such as 1Gi")
    address: HttpsAddress | None = Field(
        default=None,
        description="external only: the https address of a Vault server, such as https://vault.example.com:8200",
    )
    authorities: CertificatesFile | None = Field(
        default=None,
        description="external only: the path, relative to the repository's root, of a PEM file with the CA "
        "certificates of a Vault server whose certificate a private CA signed, without a private key",
    )
    namespace: VaultNamespace | None = Field(
        default=None,
        description="external only: the namespace of Vault Enterprise or HCP for everything that the stack creates, "
        "such as admin/ml, without a slash at either end or a name that Vault reserves; default: the root namespace",
    )
    transit_mount: Mount = Field(
        default=contracts.TRANSIT_MOUNT,
        description="the path of the transit engine that the stack creates, such as ml/transit: letters, digits and "
        "_.- between single slashes, where the first part isn't audit, auth, cubbyhole, identity or sys",
    )
    auth_mount: AuthMount = Field(
        default=contracts.KUBERNETES_AUTH_MOUNT,
        description="the path, without auth/, of the auth method that the stack creates, such as ml/eks: lower-case "
        "letters, digits and _.- between single slashes, where the first part isn't audit, auth, cubbyhole, "
        "identity, sys or token",
    )
    signing_key: TransitKey = Field(
        default=contracts.TRANSIT_KEY,
        description="the name of the transit key: 1 to 128 letters, digits and _.-, with a letter, a digit or _ at "
        "both ends; a later change replaces the key, which requires keyDeletionAllowed",
    )
    min_key_version: int = Field(
        default=1,
        ge=1,
        le=100_000,
        description="the oldest version of the signing key that counts, an integer from 1 to 100000: models signed "
        "with an older version are no longer verified, so raise it only after they are signed again",
    )
    key_deletion_allowed: bool = Field(
        default=False,
        description="true or false: whether the signing key may be deleted, as when the stack is destroyed",
    )

    def server(self, settings: "Settings") -> Server:
        """Return the Vault server, the end of the flows of the pods that use it."""
        return VAULT if self.kind == "in-cluster" else outside(self.address or "", settings.egress.vault)

    def problems(self, settings: "Settings") -> Iterator[str]:
        """Yield a line for each problem of the Vault server's settings."""
        yield from only_with("vault", self, self.kind, "external", ("address", "authorities", "namespace"))
        yield from only_with("vault", self, self.kind, "in-cluster", ("storage",))
        cluster = settings.cluster
        if self.kind == "in-cluster":
            if cluster.eks_name is not None and not settings.has_emulated_aws:
                yield (
                    'vault.kind: got "in-cluster"; allowed only with cluster.kubeconfig, as Pulumi can\'t reach the '
                    "network of an EKS cluster"
                )
            return
        if self.address is None:
            yield (
                "vault.address: not set; allowed: the https address of a Vault server, such as "
                "https://vault.example.com:8200"
            )
        if not settings.egress.vault:
            yield "egress.vault: not set; allowed: a list of the networks where pods reach the external Vault server"
        if cluster.eks_name is None and cluster.oidc_issuer is None:
            yield (
                'vault.kind: got "external"; allowed only with cluster.eksName or cluster.oidcIssuer, as Vault checks '
                "the tokens of pods against the cluster's OIDC issuer"
            )

    def flows(self, settings: "Settings") -> Iterator[Flow]:  # noqa: ARG002 - needs only its own section
        """Yield the flows of a Vault server in the cluster to the API server, which reviews the tokens of pods."""
        if self.kind == "in-cluster":
            yield from (Flow(VAULT_PODS, server) for server in API_SERVER)

    def identities(self, settings: "Settings") -> Iterator[Workload]:  # noqa: ARG002 - the same for all settings
        """Yield the signer."""
        yield WORKLOAD

    def alerts(self, settings: "Settings") -> Iterator[Alert]:
        """Yield the alerts on the Vault server, wherever it is."""
        if settings.monitoring.enabled:
            yield from (sealed(), unreachable())

    def targets(self, settings: "Settings") -> Iterator[Target]:  # noqa: ARG002 - needs only its own section
        """Yield the figures of a Vault server in the cluster."""
        if self.kind == "in-cluster":
            yield Target(
                job="vault", server=VAULT, path="/v1/sys/metrics", parameters={"format": "prometheus"}, keep=_FIGURES
            )
