"""PostgreSQL in the cluster, for environments without a managed one: one instance, its volume, its account."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ContainerArgsDict, ProbeArgsDict, Secret
from pulumi_random import RandomPassword

import contracts
from infra.cluster.connection_budget import IN_CLUSTER_CONNECTIONS
from infra.cluster.peer import Peer
from infra.cluster.pods import POSTGRES_UID, Resources, container, from_secret, metadata, pod, tcp_probe
from infra.cluster.services import internal_service
from infra.cluster.stateful import single_instance
from infra.cluster.traffic import allow
from infra.connections import Database

COMPONENT: Final = "postgres"
DATABASE: Final = "mlflow"
USER: Final = "mlflow"

_RESOURCES: Final = Resources(cpu="250m", memory="512Mi", cpu_limit="500m", memory_limit="1Gi")
_READY: Final = ["pg_isready", "--host", "127.0.0.1", "--username", USER, "--dbname", DATABASE]


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresArgs:
    """Arguments of `Postgres`; `clients` are the components of the namespace that may connect."""

    namespace: pulumi.Input[str]
    image: str
    storage: str
    storage_class: str
    clients: tuple[str, ...]


class Postgres(pulumi.ComponentResource):
    """A PostgreSQL server with one database, reached through `database`."""

    database: Database

    def __init__(self, name: str, args: PostgresArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Postgres", name, {}, opts)
        child = ResourceOptions(parent=self)
        # Letters and digits only: the password becomes part of a URI.
        password = RandomPassword(f"{name}-password", length=32, special=False, opts=child)
        account = Secret(
            f"{name}-account",
            metadata=metadata(args.namespace, COMPONENT),
            string_data={"POSTGRES_USER": USER, "POSTGRES_PASSWORD": password.result, "POSTGRES_DB": DATABASE},
            opts=child,
        )
        internal_service(f"{name}-service", args.namespace, COMPONENT, contracts.POSTGRES_PORT, child)
        allow(
            f"{name}-traffic",
            args.namespace,
            COMPONENT,
            ingress=[Peer(port=contracts.POSTGRES_PORT, component=client) for client in args.clients],
            opts=child,
        )
        single_instance(
            f"{name}-server",
            args.namespace,
            COMPONENT,
            {
                **pod(_container(args.image, account.metadata.name), uid=POSTGRES_UID),
                # PostgreSQL's fast shutdown writes a checkpoint before it ends.
                "termination_grace_period_seconds": 60,
            },
            port=contracts.POSTGRES_PORT,
            storage_class=args.storage_class,
            volumes={"data": args.storage},
            parent=self,
        )
        self.database = Database(
            host=COMPONENT, port=contracts.POSTGRES_PORT, name=DATABASE, user=USER, password=password.result
        )
        self.register_outputs({"host": COMPONENT})


def _container(image: str, account: pulumi.Input[str]) -> ContainerArgsDict:
    return {
        **container(
            COMPONENT,
            image,
            _RESOURCES,
            args=["-c", f"max_connections={IN_CLUSTER_CONNECTIONS}"],
            env_from=[from_secret(account)],
            mounts=[{"name": "data", "mount_path": "/var/lib/postgresql/data"}],
        ),
        "ports": [{"name": COMPONENT, "container_port": contracts.POSTGRES_PORT}],
        # Recovery after a crash can take minutes and must not be interrupted by a restart: a server that turns clients
        # away is not ready, and one that doesn't even take connections is dead.
        "startup_probe": _accepts(period=5, failures=60),
        "readiness_probe": _accepts(period=10, failures=3),
        "liveness_probe": tcp_probe(contracts.POSTGRES_PORT, period=20, failures=6),
    }


def _accepts(*, period: int, failures: int) -> ProbeArgsDict:
    return {
        "exec_": {"command": _READY},
        "period_seconds": period,
        "timeout_seconds": 5,
        "failure_threshold": failures,
    }
