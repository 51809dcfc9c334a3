"""MLflow's database on RDS: the instance, and the Job that creates MLflow's database and its owner."""

from pathlib import Path

import pulumi

import contracts
from infra.aws.cloud import Cloud
from infra.aws.database import ManagedPostgres
from infra.aws.database_alarms import DatabaseAlarms, DatabaseAlarmsArgs
from infra.aws.database_args import ManagedPostgresArgs
from infra.aws.database_authorities import authorities
from infra.aws.eks import EksCluster
from infra.capabilities.database.access import DatabaseAccess, DatabaseAccessArgs
from infra.capabilities.database.settings import SETUP, SETUP_WORKLOAD
from infra.capabilities.database.settings import Database as DatabaseSettings
from infra.capabilities.database.setup import DatabaseSetup, DatabaseSetupArgs
from infra.context import Context
from infra.limits.quantities import gibibytes
from infra.limits.statements import AdminSecret, DatabaseUser
from infra.links import Database, DatabaseAddress


def managed_database(context: Context) -> Database:
    """Create the RDS instance in the VPC of the cluster, and on it MLflow's database and its owner.

    Raises:
        ValueError: The stack's cluster isn't an EKS cluster.
    """
    cloud, settings = context.cloud, context.settings.database
    if cloud is None or cloud.eks is None:
        raise ValueError("database.kind rds needs an EKS cluster.")
    arguments = _arguments(settings, cloud, cloud.eks)
    instance = ManagedPostgres("database", arguments, cloud.opts)
    if context.settings.monitoring.enabled:
        _alarms(settings, cloud, arguments)
    access = DatabaseAccess(
        "database-access",
        DatabaseAccessArgs(
            namespace=context.namespace,
            authorities=_authorities(settings, cloud),
            with_password=settings.auth == "password",
        ),
        context.opts,
    )
    address = DatabaseAddress(
        host=instance.host,
        port=instance.port,
        name=contracts.DATABASE_NAME,
        user=contracts.DATABASE_USER,
        password=access.password,
        authorities=access.authorities,
    )
    login = None
    if settings.auth == "iam":
        login = instance.resource_id.apply(
            lambda resource_id: DatabaseUser(resource_id=resource_id, user=contracts.DATABASE_USER)
        )
    return Database(address=address, ready=_setup(context, instance, address), login=login)


def _setup(context: Context, instance: ManagedPostgres, address: DatabaseAddress) -> DatabaseSetup:
    secret = pulumi.Output.all(instance.admin_secret_arn, instance.key_arn).apply(
        lambda arns: AdminSecret(arn=arns[0], key_arn=arns[1])
    )
    return DatabaseSetup(
        "database-setup",
        DatabaseSetupArgs(
            namespace=context.namespace,
            image=context.settings.images.workloads,
            database=address,
            admin_secret_arn=instance.admin_secret_arn,
            identity=context.identity(SETUP_WORKLOAD, secret=secret),
            traffic=context.traffic(SETUP),
        ),
        context.opts,
    )


def _arguments(settings: DatabaseSettings, cloud: Cloud, cluster: EksCluster) -> ManagedPostgresArgs:
    return ManagedPostgresArgs(
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
    )


def _alarms(settings: DatabaseSettings, cloud: Cloud, server: ManagedPostgresArgs) -> None:
    alarms = DatabaseAlarms(
        "database-alarms",
        DatabaseAlarmsArgs(
            account=cloud.account,
            identifier=server.identifier,
            instance_class=server.instance_class,
            storage_gib=server.storage_gib,
            connections=settings.connections,
        ),
        cloud.opts,
    )
    pulumi.export("database_alarm_topic", alarms.topic_arn)


def _authorities(settings: DatabaseSettings, cloud: Cloud) -> str:
    if settings.authorities is None:
        return authorities(cloud.account.region)
    return Path(settings.authorities).read_text()
