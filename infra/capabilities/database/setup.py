"""The first step with RDS: a Job that makes MLflow's user and database, and lets the user log in."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import Secret

import contracts
from infra.capabilities.database.settings import SETUP
from infra.kube.job import run_once
from infra.kube.network_policy import allow
from infra.kube.pod_access import with_access
from infra.kube.pods import Resources, container, environment, from_secret, metadata, pod
from infra.limits.flows import Traffic
from infra.links import DatabaseAddress, Identity

COMPONENT: Final = SETUP.component

_RESOURCES: Final = Resources(cpu="20m", memory="128Mi", cpu_limit="1", memory_limit="512Mi")


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseSetupArgs:
    """Arguments of `DatabaseSetup`: the database and owner to make, and the administrator's secret."""

    namespace: pulumi.Input[str]
    image: str
    database: DatabaseAddress
    admin_secret_arn: pulumi.Input[str]
    identity: Identity | None
    traffic: Traffic


class DatabaseSetup(pulumi.ComponentResource):
    """The Job that prepares the database; it runs again only when what it is to make has changed."""

    def __init__(self, name: str, args: DatabaseSetupArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:jobs:DatabaseSetup", name, {}, opts)
        child = ResourceOptions(parent=self)
        traffic = allow(f"{name}-traffic", args.namespace, COMPONENT, args.traffic, child)
        main = container(
            COMPONENT,
            args.image,
            _RESOURCES,
            command=["python", "-m", "workloads.database.prepare"],
            env=environment(_variables(args)),
            env_from=self._password(name, args),
        )
        run_once(
            f"{name}-run",
            args.namespace,
            COMPONENT,
            with_access(pod(main), identity=args.identity, database=args.database),
            parent=self,
            # Without its policy the Job would spend its retries against a closed door.
            depends_on=[traffic],
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
