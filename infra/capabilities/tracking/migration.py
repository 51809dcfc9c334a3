"""The Job that migrates the database schema before a rollout, so that no two servers migrate at once."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import Secret

import contracts
from infra.capabilities.tracking.settings import MIGRATION
from infra.kube.job import run_connected
from infra.kube.pod_access import with_access
from infra.kube.pods import Resources, container, from_secret, metadata, pod
from infra.limits.flows import Traffic
from infra.links import DatabaseAddress, Identity

COMPONENT: Final = MIGRATION.component

_RESOURCES: Final = Resources(cpu="20m", memory="256Mi", cpu_limit="1", memory_limit="1Gi")
# Seconds: a migration may rewrite whole tables, and stopping it would only undo its work.
_DEADLINE: Final = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class MigrationArgs:
    """Arguments of `Migration`; `image` must hold the server's MLflow version, so that a new one migrates first."""

    namespace: pulumi.Input[str]
    image: str
    database: DatabaseAddress
    traffic: Traffic
    identity: Identity | None = None


class Migration(pulumi.ComponentResource):
    """The Job that creates or upgrades MLflow's schema, and checks that it fits the server."""

    def __init__(self, name: str, args: MigrationArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Migration", name, {}, opts)
        child = ResourceOptions(parent=self)
        secret = Secret(
            f"{name}-database",
            metadata=metadata(args.namespace, COMPONENT),
            string_data={contracts.Env.BACKEND_STORE_URI: args.database.uri()},
            opts=child,
        )
        main = container(
            COMPONENT,
            args.image,
            _RESOURCES,
            command=["python", "-m", "workloads.migration.upgrade"],
            env_from=[from_secret(secret.metadata.name)],
        )
        run_connected(
            name,
            "upgrade",
            args.namespace,
            with_access(pod(main), identity=args.identity, database=args.database),
            args.traffic,
            parent=self,
            deadline=_DEADLINE,
        )
        self.register_outputs({})
