"""Settings of the Vault that signs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

import contracts
from infra.capabilities.signing.grants import WORKLOAD
from infra.limits.flows import VAULT, VAULT_PODS, Flow, Place, Server, outside
from infra.limits.grants import Workload
from infra.settings.capability import Capability, only_with
from infra.settings.names import AuthMount, Mount, TransitKey, VaultNamespace
from infra.settings.section import CertificatesFile, HttpsAddress, VolumeSize

if TYPE_CHECKING:
    from infra.settings.model import Settings

# The ports of API servers: of the Service `kubernetes`, and of the control plane's own address behind it. That address
# can change, so the policy names only the ports.
_API_SERVER_PORTS: Final = (443, 6443)


class Vault(Capability):
    """The Vault that signs."""

    kind: Literal["in-cluster", "external"] = Field(
        default="in-cluster",
        description="in-cluster (a Vault server as a StatefulSet) or external (one at `address`; Pulumi logs in with "
        "the environment variable VAULT_TOKEN)",
    )
    storage: VolumeSize = Field(
        default="1Gi", description="in-cluster only: a volume size from 1Gi to 16Ti, such as 1Gi"
    )
    address: HttpsAddress | None = Field(
        default=None,
        description="external only: the https address of a Vault, such as https://vault.example.com:8200",
    )
    authorities: CertificatesFile | None = Field(
        default=None,
        description="external only: the path, from the repository's root, of a PEM file with the certificates of a "
        "private authority that signed the Vault server's, and without a private key",
    )
    namespace: VaultNamespace | None = Field(
        default=None,
        description="external only: the namespace of Vault Enterprise or HCP that everything is made in, such as "
        "admin/ml, without a slash at either end or a name that Vault reserves; default: the root namespace",
    )
    transit_mount: Mount = Field(
        default=contracts.TRANSIT_MOUNT,
        description="the path of the transit engine that the stack makes, such as ml/transit: letters, digits and _.- "
        "between single slashes, not below audit, auth, cubbyhole, identity or sys",
    )
    auth_mount: AuthMount = Field(
        default=contracts.KUBERNETES_AUTH_MOUNT,
        description="the path, without auth/, of the auth method that the stack makes, such as ml/eks: lower-case "
        "letters, digits and _.- between single slashes, not below audit, auth, cubbyhole, identity, sys or token",
    )
    signing_key: TransitKey = Field(
        default=contracts.TRANSIT_KEY,
        description="the name of the transit key that signs, 1 to 128 letters, digits and _.-, a letter, a digit or _ "
        "at both ends; another name is another key, which is refused later unless keyDeletionAllowed is true",
    )
    key_deletion_allowed: bool = Field(
        default=False, description="true or false: whether destroying the stack may delete the signing key"
    )

    def server(self, settings: "Settings") -> Server:
        """Return the Vault server, as pods talk to it."""
        return VAULT if self.kind == "in-cluster" else outside(self.address or "", settings.egress.vault)

    def problems(self, settings: "Settings") -> Iterator[str]:
        """Yield a line for each problem of the Vault."""
        yield from only_with("vault", self, "external", ("address", "authorities", "namespace"))
        yield from only_with("vault", self, "in-cluster", ("storage",))
        cluster = settings.cluster
        if self.kind == "in-cluster":
            if cluster.eks_name is not None and not settings.has_emulated_aws:
                yield (
                    'vault.kind: got "in-cluster"; allowed with cluster.kubeconfig only: it answers on the cluster\'s '
                    "own network, which Pulumi can't reach in an EKS cluster"
                )
            return
        if self.address is None:
            yield (
                "vault.address: not set; allowed: the https address of a Vault, such as https://vault.example.com:8200"
            )
        if not settings.egress.vault:
            yield "egress.vault: not set; allowed: a list of the networks in which the external Vault is reached"
        if cluster.eks_name is None and cluster.oidc_issuer is None:
            yield (
                'vault.kind: got "external"; allowed with cluster.eksName or cluster.oidcIssuer only, as Vault checks '
                "pods by the cluster's issuer"
            )

    def flows(self, settings: "Settings") -> Iterator[Flow]:  # noqa: ARG002 - whatever the other settings are
        """Yield the flows of a Vault in the cluster: it asks the API server whether a pod's token is genuine."""
        if self.kind == "in-cluster":
            yield from (Flow(VAULT_PODS, Server(at=Place.ANYWHERE, port=port)) for port in _API_SERVER_PORTS)

    def identities(self, settings: "Settings") -> Iterator[Workload]:  # noqa: ARG002 - whatever the other settings are
        """Yield the signer."""
        yield WORKLOAD
