"""PostgreSQL in the cluster, for environments without RDS: one instance with its volume and database user."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ContainerArgsDict, ProbeArgsDict, Secret
from pulumi_random import RandomPassword

import contracts
from infra.kube.network_policy import allow
from infra.kube.pods import POSTGRES_UID, Resources, container, from_secret, metadata, pod, tcp_probe
from infra.kube.services import internal_service
from infra.kube.stateful import single_instance
from infra.limits.connections import in_cluster_connections, shared_buffers
from infra.limits.flows import POSTGRES_PODS, Traffic
from infra.limits.quantities import mebibytes
from infra.links import DatabaseAddress

COMPONENT: Final = POSTGRES_PODS.component
DATABASE: Final = contracts.DATABASE_NAME
USER: Final = contracts.DATABASE_USER

# It may use two CPUs if they are free: throttling it while it holds locks would delay every request.
_CPU: Final = "150m"
_CPU_LIMIT: Final = "2"
_READY: Final = ["pg_isready", "--host", "127.0.0.1", "--username", USER, "--dbname", DATABASE]


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresArgs:
    """Arguments of `Postgres`; `memory` is the limit of the container, which requests half of it."""

    namespace: pulumi.Input[str]
    image: str
    memory: str
    storage: str
    storage_class: str
    traffic: Traffic


class Postgres(pulumi.ComponentResource):
    """A PostgreSQL server with one database, reached through `database`."""

    database: DatabaseAddress

    def __init__(self, name: str, args: PostgresArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Postgres", name, {}, opts)
        child = ResourceOptions(parent=self)
        # Letters and digits only, as the password becomes part of a URI.
        password = RandomPassword(f"{name}-password", length=32, special=False, opts=child)
        account = Secret(
            f"{name}-account",
            metadata=metadata(args.namespace, COMPONENT),
            string_data={"POSTGRES_USER": USER, "POSTGRES_PASSWORD": password.result, "POSTGRES_DB": DATABASE},
            opts=child,
        )
        internal_service(f"{name}-service", args.namespace, COMPONENT, contracts.POSTGRES_PORT, child)
        allow(f"{name}-traffic", args.namespace, args.traffic, child)
        single_instance(
            f"{name}-server",
            args.namespace,
            COMPONENT,
            {
                **pod(_container(args, account.metadata.name), uid=POSTGRES_UID),
                # Seconds: PostgreSQL's fast shutdown writes a checkpoint before it ends.
                "termination_grace_period_seconds": 60,
            },
            port=contracts.POSTGRES_PORT,
            storage_class=args.storage_class,
            volumes={"data": args.storage},
            parent=self,
        )
        self.database = DatabaseAddress(
            host=COMPONENT, port=contracts.POSTGRES_PORT, name=DATABASE, user=USER, password=password.result
        )
        self.register_outputs({"host": COMPONENT})


def _container(args: PostgresArgs, account: pulumi.Input[str]) -> ContainerArgsDict:
    request = f"{mebibytes(args.memory) // 2}Mi"
    return {
        **container(
            COMPONENT,
            args.image,
            Resources(cpu=_CPU, memory=request, cpu_limit=_CPU_LIMIT, memory_limit=args.memory),
            args=[
                *("-c", f"max_connections={in_cluster_connections(args.memory)}"),
                *("-c", f"shared_buffers={shared_buffers(args.memory)}MB"),
            ],
            env_from=[from_secret(account)],
            mounts=[{"name": "data", "mount_path": "/var/lib/postgresql/data"}],
        ),
        "ports": [{"name": COMPONENT, "container_port": contracts.POSTGRES_PORT}],
        # A restart must not interrupt recovery after a crash, which can take minutes. So a server that refuses queries
        # is only unready, and it is restarted only if it doesn't accept TCP connections.
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
