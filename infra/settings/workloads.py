"""What runs in the cluster: the tracking server, Vault, the trainers, the release, and the teams beside them."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

import contracts
from infra.quantities import gibibytes
from infra.settings.names import AuthMount, Experiment, Metric, Model, Mount, TransitKey, VaultNamespace
from infra.settings.section import (
    CertificatesFile,
    Host,
    HttpsAddress,
    Label,
    MemorySize,
    Network,
    NodeLabel,
    NodeLabelValue,
    Section,
    VolumeSize,
)

# A namespace is a label of 63 characters at most.
_LONGEST_TEAM: Final = 63 - len(contracts.TEAM_NAMESPACE_PREFIX)


def _team_memory(value: str) -> str:
    if gibibytes(value) < 1:
        raise ValueError("less than two containers request that say nothing")
    return value


class ConnectionPool(Section):
    """SQLAlchemy's pool of each server process."""

    size: int = Field(ge=1, le=50, description="connections that are kept, an integer from 1 to 50")
    overflow: int = Field(
        ge=1, le=50, description="more of them under load, an integer from 1 to 50 (MLflow reads 0 as not set)"
    )


class Mlflow(Section):
    """The tracking server."""

    workers: int = Field(default=4, ge=1, le=16, description="server processes of each pod, an integer from 1 to 16")
    min_replicas: int = Field(default=2, ge=1, le=50, description="the fewest pods, an integer from 1 to 50")
    max_replicas: int = Field(
        default=10,
        ge=1,
        le=50,
        description="the most pods, an integer from minReplicas to 50 that the database can serve",
    )
    min_available: int = Field(
        default=1, ge=0, le=49, description="pods that a drained node must leave, an integer below minReplicas"
    )
    cpu_target: int = Field(
        default=70, ge=10, le=95, description="percent of the CPU request, an integer from 10 to 95"
    )
    memory_target: int = Field(
        default=80, ge=50, le=95, description="percent of the memory request, an integer from 50 to 95"
    )
    pool: ConnectionPool | None = Field(
        default=None, description="an object; default: the database's connections, shared out among all processes"
    )
    tmp_size: MemorySize = Field(
        default="4Gi", description="a size such as 4Gi: where uploads and downloads are staged, whole, in each pod"
    )
    largest_artifact: MemorySize = Field(
        default="1Gi",
        description="a size such as 1Gi: what tmpSize must hold once for each worker, and a release twice",
    )
    direct_transfers: bool = Field(
        default=False,
        description="true or false: whether clients get presigned addresses of the object store for their files, which "
        "is faster and works only where each of them reaches the store; otherwise files pass through the server",
    )
    public_hosts: list[Host] = Field(
        default=[],
        description="a list of host names in lower case or IPv4 addresses, without a scheme, with a port where it "
        "isn't 80 or 443, under which people reach MLflow",
    )
    client_namespaces: list[Label] = Field(
        default=[], description="a list of the namespaces whose pods may reach MLflow"
    )
    client_networks: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, from which MLflow's pods may be "
        "reached, such as a load "
        "balancer's subnets",
    )


class Vault(Section):
    """The Vault that signs."""

    kind: Literal["in-cluster", "external"] = Field(
        default="in-cluster",
        description="in-cluster (a Vault server as a StatefulSet) or external (one at `address`; Pulumi logs in with "
        "the environment's VAULT_TOKEN)",
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
        description="external only: the path, from the repository's root, of a PEM file with the certificates of the "
        "authorities of a Vault that no public authority vouches for, and without a private key",
    )
    namespace: VaultNamespace | None = Field(
        default=None,
        description="external only: the namespace of Vault Enterprise or HCP that everything is made in, such as "
        "admin/ml, without a slash at either end, and none of Vault's own names; default: the root namespace",
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


class Toleration(Section):
    """A taint of a node that the trainer's pods tolerate."""

    key: NodeLabel = Field(description="the taint's key, such as nvidia.com/gpu")
    value: NodeLabelValue | None = Field(default=None, description="the taint's value; default: any")
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] = Field(
        default="NoSchedule", description="NoSchedule, NoExecute or PreferNoSchedule"
    )


class Trainer(Section):
    """Where trainers run."""

    gpus: int = Field(default=0, ge=0, le=16, description="GPUs of a trainer's pod, an integer from 0 to 16")
    node_selector: dict[NodeLabel, NodeLabelValue] = Field(
        default={},
        description="an object of the labels that a trainer's node must have, such as karpenter.sh/nodepool: gpu",
    )
    tolerations: list[Toleration] = Field(
        default=[], description="a list of objects: the taints that a trainer's pods tolerate"
    )


class Release(Section):
    """The model that an update of the stack trains, signs and registers."""

    enabled: bool = Field(default=True, description="true or false")
    experiment: Experiment = Field(
        default="aegis", description="the name of an MLflow experiment, 1 to 256 printable characters"
    )
    epochs: int = Field(default=3, ge=1, le=1000, description="passes over the data, an integer from 1 to 1000")
    metric: Metric = Field(
        default="val/accuracy",
        description="the name of a logged metric, 1 to 250 letters, digits, spaces and /_.-:, written as a plain path",
    )
    goal: Literal["maximize", "minimize"] = Field(default="maximize", description="maximize or minimize")
    model_name: Model = Field(
        default="aegis-classifier",
        description="a registered model's name, 1 to 256 printable characters without / : or ', and not . or ..",
    )


class Team(Section):
    """A team of data scientists: a closed namespace `team-NAME` whose pods reach MLflow, and a trainer's role."""

    name: Annotated[Label, Field(max_length=_LONGEST_TEAM)] = Field(
        description=f"1 to {_LONGEST_TEAM} lower-case letters, digits and inner hyphens; in AWS as long as the name of "
        "the team's role allows"
    )
    cpu: int = Field(
        default=16, ge=1, le=10_000, description="CPUs that its pods may request in all, an integer from 1 to 10000"
    )
    memory: Annotated[MemorySize, AfterValidator(_team_memory)] = Field(
        default="64Gi", description="memory that its pods may request in all, a size of 1Gi at least, such as 64Gi"
    )
    gpus: int = Field(
        default=0, ge=0, le=1000, description="GPUs that its pods may request in all, an integer from 0 to 1000"
    )
