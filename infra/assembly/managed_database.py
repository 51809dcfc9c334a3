"""MLflow's database on RDS: the instance, and the step that makes MLflow's own role in it."""

from pathlib import Path
from typing import Final

import pulumi
from pulumi import ResourceOptions

import contracts
from infra.assembly.cloud import Cloud
from infra.assembly.identities import identity
from infra.assembly.store_kinds import DatabaseStore
from infra.aws import permissions
from infra.aws.cluster import EksCluster
from infra.aws.database import ManagedPostgres, ManagedPostgresArgs
from infra.aws.database_authorities import authorities
from infra.aws.statements import DatabaseAccount
from infra.cluster.database_access import DatabaseAccess, DatabaseAccessArgs
from infra.cluster.peer import Peer
from infra.connections import Database
from infra.jobs.database_setup import DatabaseSetup, DatabaseSetupArgs
from infra.quantities import gibibytes
from infra.settings import Settings

DATABASE: Final = "mlflow"
OWNER: Final = "mlflow"


def managed_database(
    wanted: Settings, namespace: pulumi.Input[str], cloud: Cloud, cluster: EksCluster, opts: ResourceOptions
) -> DatabaseStore:
    """Make the RDS instance in the VPC of the cluster, and MLflow's role and database in it."""
    instance = _instance(wanted, cloud, cluster)
    access = DatabaseAccess(
        "database-access",
        DatabaseAccessArgs(
            namespace=namespace,
            authorities=_authorities(wanted, cloud),
            with_password=wanted.database.auth == "password",
        ),
        opts,
    )
    database = Database(
        host=instance.host,
        port=instance.port,
        name=DATABASE,
        user=OWNER,
        password=access.password,
        authorities=access.authorities,
    )
    peer = Peer(port=instance.port, networks=cluster.vpc_cidrs)
    setup = DatabaseSetup(
        "database-setup",
        DatabaseSetupArgs(
            namespace=namespace,
            image=wanted.images.workloads,
            database=database,
            admin_secret_arn=instance.admin_secret_arn,
            identity=identity(
                "database-setup",
                cloud,
                namespace,
                contracts.MLFLOW_NAMESPACE,
                contracts.DATABASE_SETUP_SERVICE_ACCOUNT,
                pulumi.Output.all(instance.admin_secret_arn, instance.key_arn).apply(
                    lambda arns: permissions.database_setup(cloud.account, *arns)
                ),
                opts,
            ),
            servers=(peer, *cloud.api),
        ),
        opts,
    )
    login = None
    if wanted.database.auth == "iam":
        login = instance.resource_id.apply(lambda known: DatabaseAccount(resource_id=known, user=OWNER))
    return DatabaseStore(database=database, ready=setup, peer=peer, login=login)


def _instance(wanted: Settings, cloud: Cloud, cluster: EksCluster) -> ManagedPostgres:
    settings = wanted.database
    return ManagedPostgres(
        "database",
        ManagedPostgresArgs(
            account=cloud.account,
            vpc_id=cluster.vpc_id,
            client_security_group_ids=tuple(settings.client_security_group_ids) or (cluster.security_group_id,),
            subnet_ids=tuple(settings.subnet_ids) or cluster.subnet_ids,
            engine_version=settings.version,
            instance_class=settings.instance_class,
            storage_gib=int(gibibytes(settings.storage)),
            max_storage_gib=int(gibibytes(settings.max_storage)),
            multi_az=settings.multi_az,
            backup_days=settings.backup_days,
            protected=cloud.protected,
            iam_authentication=settings.auth == "iam",
            log_days=settings.log_days,
            apply_immediately=settings.apply_immediately,
        ),
        cloud.opts,
    )


def _authorities(wanted: Settings, cloud: Cloud) -> str:
    given = wanted.database.authorities
    return authorities(cloud.account.region) if given is None else Path(given).read_text()
