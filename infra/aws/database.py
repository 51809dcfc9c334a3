"""PostgreSQL by Amazon RDS: encrypted, reached by the cluster alone, over TLS, with a password that RDS keeps itself.

The role and the database of MLflow are made by a Job in the cluster, as only the cluster reaches the server.
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

# In UTC. MLflow's own backup starts at 02:00 and has ended by 07:00, and RDS refuses windows that overlap.
_BACKUP_WINDOW: Final = "22:30-23:30"
_MAINTENANCE_WINDOW: Final = "sun:08:00-sun:09:00"
# Valid until 2061, and in the region's file of `database_authorities`.
_AUTHORITY: Final = "rds-ca-rsa2048-g1"
# From this size on gp3 is striped, over volumes that have this many operations and MiB a second. The provider must be
# told: it would ask for what a smaller storage had, which RDS refuses (hashicorp/terraform-provider-aws#28382). Below,
# RDS takes neither: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage
_STRIPED_GIB: Final = 400
_STRIPED_IOPS: Final = 12_000
_STRIPED_THROUGHPUT: Final = 500
# Days, the free ones.
_INSIGHTS_RETENTION: Final = 7

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
_SLOW_STATEMENT_MS: Final = 1000

# They are in force from the first start of a server, as its group is made before it. RDS keeps `pending-reboot` for a
# value that is its default, as force_ssl is: with `immediate` every preview would show a change
# (hashicorp/terraform-provider-aws#39252).
_AT_START: Final = {"rds.force_ssl": "1", "rds.accepted_password_auth_method": "scram"}
# `log_statement` stays off: it would write the passwords of CREATE ROLE and ALTER ROLE to the log.
_AT_ONCE: Final = {
    "log_connections": "1",
    "log_disconnections": "1",
    "log_lock_waits": "1",
    "log_min_duration_statement": str(_SLOW_STATEMENT_MS),
}


class ManagedPostgres(pulumi.ComponentResource):
    """A PostgreSQL server of RDS, reached at `host` and `port` from the clients' security group.

    `admin_secret_arn` is the secret in which RDS keeps the administrator's password, encrypted by the key `key_arn`;
    `resource_id` is what IAM permissions to log in are about.
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
        # Without `egress` the provider takes away AWS's default rule, which allows all: a database answers, and calls
        # nobody.
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
            # Of a major version RDS chooses and raises the minor one, and the provider finds no difference in it. One
            # that is named must stay: the next update would try to take it back, which RDS refuses.
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
            # What autoscaling adds is no difference to the provider as long as a maximum is set; `ignore_changes` would
            # only keep the settings from growing it.
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
            # Of every class, as PostgreSQL's are all supported. The advanced mode costs, and wants 15 months kept:
            # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PerfInsights.Overview.Engines.html
            performance_insights_enabled=True,
            performance_insights_kms_key_id=key_arn,
            performance_insights_retention_period=_INSIGHTS_RETENTION,
            database_insights_mode="standard",
            enabled_cloudwatch_logs_exports=list(LOGS),
            tags=args.account.tags,
            opts=ResourceOptions(
                parent=self,
                # The data of a protected environment goes only after its protection was taken away.
                protect=args.protected,
                # The identifier is unique in the region: a new server can't be made beside the old one.
                delete_before_replace=True,
                # RDS makes a missing group itself, one that never expires and lacks our key.
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
                # It tells who did what to the data, and is asked for when that is gone.
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
    """Return the name of the snapshot that a server leaves, which RDS refuses to delete it without.

    The snapshot of an earlier server of the same identifier has its name as long as it exists. Each server comes with a
    key of its own, whose ID no other has, and which stays the same from preview to preview.
    """
    return f"{identifier}-final-{key_arn.rpartition('-')[2]}"


def parameters() -> list[ParameterGroupParameterArgsDict]:
    """Return the parameters: static ones wait for a restart."""
    return [
        {"name": name, "value": value, "apply_method": method}
        for method, values in (("pending-reboot", _AT_START), ("immediate", _AT_ONCE))
        for name, value in values.items()
    ]
