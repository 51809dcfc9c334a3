"""PostgreSQL servers in Amazon RDS: encrypted, and reachable only from the cluster and over TLS.

RDS manages the administrator's password. A Job in the cluster makes MLflow's role and database, because only the
cluster can reach the server.
"""

from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import cloudwatch, ec2, rds, vpc
from pulumi_aws.rds import ParameterGroupParameterArgsDict

import contracts
from infra.aws.database_args import LOGS, ManagedPostgresArgs
from infra.aws.keys import EncryptionKey, EncryptionKeyArgs
from infra.limits.postgres_version import family, is_pinned

ADMINISTRATOR: Final = "aegis_admin"

# In UTC. The platform's own backup starts at 02:00 by default and ends before 07:00. RDS refuses windows that overlap.
_BACKUP_WINDOW: Final = "22:30-23:30"
_MAINTENANCE_WINDOW: Final = "sun:08:00-sun:09:00"
# The CA of the server's certificate: valid until 2061, and in the region's file of `database_authorities`.
_AUTHORITY: Final = "rds-ca-rsa2048-g1"
# From this size on, RDS stripes gp3 storage over several volumes, which gives these operations and MiB a second. They
# must be set: for storage that grows past this size the provider would otherwise ask for its earlier, smaller values,
# which RDS refuses (hashicorp/terraform-provider-aws#28382). Below this size RDS accepts neither:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage
_STRIPED_GIB: Final = 400
_STRIPED_IOPS: Final = 12_000
_STRIPED_THROUGHPUT: Final = 500
# Days: the retention that is free of charge.
_INSIGHTS_RETENTION: Final = 7

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
_SLOW_STATEMENT_MS: Final = 1000

# These hold from the server's first start, because its parameter group is made first. RDS reports `pending-reboot` for
# a value that is its default, such as that of force_ssl: with `immediate`, every preview would show a change
# (hashicorp/terraform-provider-aws#39252).
_AT_START: Final = {"rds.force_ssl": "1", "rds.accepted_password_auth_method": "scram"}
# Leave `log_statement` off: it would write the passwords of CREATE ROLE and ALTER ROLE to the log.
_AT_ONCE: Final = {
    "log_connections": "1",
    "log_disconnections": "1",
    "log_lock_waits": "1",
    "log_min_duration_statement": str(_SLOW_STATEMENT_MS),
}


class ManagedPostgres(pulumi.ComponentResource):
    """A PostgreSQL server in RDS, reachable at `host` and `port` from the callers' security groups.

    `admin_secret_arn` is the secret in which RDS keeps the administrator's password, encrypted with the KMS key
    `key_arn`. `resource_id` identifies the server in IAM permissions to log in.
    """

    host: pulumi.Output[str]
    port: int
    resource_id: pulumi.Output[str]
    admin_secret_arn: pulumi.Output[str]
    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ManagedPostgresArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:aws:ManagedPostgres", name, {}, opts)
        self.port = contracts.POSTGRES_PORT
        key = EncryptionKey(
            f"{name}-key",
            EncryptionKeyArgs(
                account=args.account,
                purpose="database",
                description="Database of MLflow: storage, backups, logs, performance figures, administrator's password",
                protected=args.protected,
                log_groups=tuple(args.log_groups.values()),
            ),
            ResourceOptions(parent=self),
        )
        self.key_arn = key.arn
        server = self._server(name, args, self._firewall(name, args), key.arn)
        self.host = server.address
        self.resource_id = server.resource_id
        self.admin_secret_arn = server.master_user_secrets[0].secret_arn
        self.register_outputs({"host": self.host, "port": self.port})

    def _firewall(self, name: str, args: ManagedPostgresArgs) -> ec2.SecurityGroup:
        # Without `egress` the provider removes AWS's default rule, which allows all traffic: a database server opens no
        # connections.
        group = ec2.SecurityGroup(
            f"{name}-firewall",
            description="Database of MLflow: in from the cluster, out to nowhere",
            vpc_id=args.vpc_id,
            tags=args.account.tags,
            opts=ResourceOptions(parent=self),
        )
        for client in args.client_security_group_ids:
            vpc.SecurityGroupIngressRule(
                f"{name}-clients-{client}",
                security_group_id=group.id,
                description="PostgreSQL from the cluster",
                referenced_security_group_id=client,
                ip_protocol="tcp",
                from_port=self.port,
                to_port=self.port,
                tags=args.account.tags,
                opts=ResourceOptions(parent=self),
            )
        return group

    def _server(
        self, name: str, args: ManagedPostgresArgs, firewall: ec2.SecurityGroup, key_arn: pulumi.Output[str]
    ) -> rds.Instance:
        striped = args.storage_gib >= _STRIPED_GIB
        return rds.Instance(
            f"{name}-server",
            identifier=args.identifier,
            instance_class=args.instance_class,
            multi_az=args.multi_az,
            engine="postgres",
            # For a major version, RDS chooses and upgrades the minor version, which the provider doesn't report as a
            # change. A named minor version must stay: after an automatic upgrade the next update would try to downgrade
            # it, which RDS refuses.
            engine_version=args.engine_version,
            auto_minor_version_upgrade=not is_pinned(args.engine_version),
            allow_major_version_upgrade=False,
            maintenance_window=_MAINTENANCE_WINDOW,
            apply_immediately=args.apply_immediately,
            parameter_group_name=self._parameters(name, args).name,
            db_subnet_group_name=self._subnets(name, args).name,
            vpc_security_group_ids=[firewall.id],
            publicly_accessible=False,
            network_type="IPV4",
            port=self.port,
            ca_cert_identifier=_AUTHORITY,
            storage_type="gp3",
            # While a maximum is set, the provider doesn't report storage added by autoscaling as a change. Don't use
            # `ignore_changes` for that: it would also ignore a larger size in the settings.
            allocated_storage=args.storage_gib,
            max_allocated_storage=args.max_storage_gib,
            iops=_STRIPED_IOPS if striped else None,
            storage_throughput=_STRIPED_THROUGHPUT if striped else None,
            storage_encrypted=True,
            kms_key_id=key_arn,
            username=ADMINISTRATOR,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=key_arn,
            iam_database_authentication_enabled=args.iam_authentication,
            backup_retention_period=args.backup_days,
            backup_window=_BACKUP_WINDOW,
            copy_tags_to_snapshot=True,
            deletion_protection=args.protected,
            delete_automated_backups=not args.protected,
            skip_final_snapshot=not args.protected,
            final_snapshot_identifier=(
                key_arn.apply(lambda arn: final_snapshot(args.identifier, arn)) if args.protected else None
            ),
            # Every instance class of PostgreSQL supports it. The advanced mode costs extra and requires 15 months:
            # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PerfInsights.Overview.Engines.html
            performance_insights_enabled=True,
            performance_insights_kms_key_id=key_arn,
            performance_insights_retention_period=_INSIGHTS_RETENTION,
            database_insights_mode="standard",
            enabled_cloudwatch_logs_exports=list(LOGS),
            tags=args.account.tags,
            opts=ResourceOptions(
                parent=self,
                # The data of a protected environment can be destroyed only after its protection was removed.
                protect=args.protected,
                # The identifier is unique in the region, so a new server can't exist beside the old one.
                delete_before_replace=True,
                # RDS would create a missing log group itself, without expiry and without the KMS key.
                depends_on=self._logs(name, args, key_arn),
            ),
        )

    def _logs(self, name: str, args: ManagedPostgresArgs, key_arn: pulumi.Output[str]) -> list[pulumi.Resource]:
        return [
            cloudwatch.LogGroup(
                f"{name}-{log}-log",
                name=group,
                retention_in_days=args.log_days,
                kms_key_id=key_arn,
                tags=args.account.tags,
                # The log shows who changed the data, and is needed most after the data is lost.
                opts=ResourceOptions(parent=self, protect=args.protected),
            )
            for log, group in args.log_groups.items()
        ]

    def _subnets(self, name: str, args: ManagedPostgresArgs) -> rds.SubnetGroup:
        return rds.SubnetGroup(
            f"{name}-subnets",
            description="Database of MLflow: the subnets of the cluster",
            subnet_ids=args.subnet_ids,
            tags=args.account.tags,
            opts=ResourceOptions(parent=self),
        )

    def _parameters(self, name: str, args: ManagedPostgresArgs) -> rds.ParameterGroup:
        return rds.ParameterGroup(
            f"{name}-parameters",
            description="Database of MLflow: TLS and SCRAM alone, slow statements logged",
            family=family(args.engine_version),
            parameters=parameters(),
            tags=args.account.tags,
            opts=ResourceOptions(parent=self),
        )


def final_snapshot(identifier: str, key_arn: str) -> str:
    """Return the name of the final snapshot, without which RDS refuses to delete a protected server.

    An earlier server with the same identifier may have left a snapshot, and names of snapshots are unique. So the name
    ends in a part of the ID of the server's KMS key: each server has its own key, and its ID stays the same from
    preview to preview.
    """
    return f"{identifier}-final-{key_arn.rpartition('-')[2]}"


def parameters() -> list[ParameterGroupParameterArgsDict]:
    """Return the parameters of the server's parameter group; static ones take effect after a restart."""
    return [
        {"name": name, "value": value, "apply_method": method}
        for method, values in (("pending-reboot", _AT_START), ("immediate", _AT_ONCE))
        for name, value in values.items()
    ]
