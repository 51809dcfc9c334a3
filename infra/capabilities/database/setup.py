"""The Job that creates MLflow's database on RDS, and its owner with a password or the right to log in by IAM role."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import Secret

import contracts
from infra.capabilities.database.settings import SETUP
from infra.kube.job import run_connected
from infra.kube.pod_access import with_access
from infra.kube.pods import Resources, container, environment, from_secret, metadata, pod
from infra.limits.flows import Traffic
from infra.links import DatabaseAddress, Identity

COMPONENT: Final = SETUP.component

_RESOURCES: Final = Resources(cpu="20m", memory="128Mi", cpu_limit="1", memory_limit="512Mi")


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseSetupArgs:
    """Arguments of `DatabaseSetup`; `admin_secret_arn` is the secret that holds the administrator's password."""

    namespace: pulumi.Input[str]
    image: str
    database: DatabaseAddress
    admin_secret_arn: pulumi.Input[str]
    identity: Identity | None
    traffic: Traffic


class DatabaseSetup(pulumi.ComponentResource):
    """The Job that prepares the database. It runs again only if its spec or its Secret changes."""

    def __init__(self, name: str, args: DatabaseSetupArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:jobs:DatabaseSetup", name, {}, opts)
        main = container(
            COMPONENT,
            args.image,
            _RESOURCES,
            command=["python", "-m", "workloads.database.prepare"],
            env=environment(_variables(args)),
            env_from=self._password(name, args),
        )
        run_connected(
            name,
            "run",
            args.namespace,
            with_access(pod(main), identity=args.identity, database=args.database),
            args.traffic,
            parent=self,
        )
        self.register_outputs({})

    def _password(self, name: str, args: DatabaseSetupArgs) -> list:
        if args.database.password is None:
            return []
        secret = Secret(
            f"{name}-owner",
            metadata=metadata(args.namespace, COMPONENT),
            string_data={contracts.Env.DATABASE_OWNER_PASSWORD: args.database.password},
            opts=ResourceOptions(parent=self),
        )
        return [from_secret(secret.metadata.name)]


def _variables(args: DatabaseSetupArgs) -> dict[str, pulumi.Input[str]]:
    database = args.database
    return {
        "PGHOST": database.host,
        "PGPORT": str(database.port),
        **database.tls_environment(),
        contracts.Env.DATABASE_ADMIN_SECRET: args.admin_secret_arn,
        contracts.Env.DATABASE_OWNER: database.user,
        contracts.Env.DATABASE_NAME: database.name,
        contracts.Env.DATABASE_AUTH: "iam" if database.password is None else "password",
    }
