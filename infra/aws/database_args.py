"""The arguments of a PostgreSQL server in RDS, checked against the limits of RDS."""

from dataclasses import dataclass
from typing import Final

import pulumi

from infra.limits import postgres_version, rds
from infra.limits.account import Account
from infra.limits.instance_classes import memory_gib

# The logs that RDS exports to CloudWatch: PostgreSQL's own, and the log of upgrades to a new major version.
LOGS: Final = ("postgresql", "upgrade")


@dataclass(frozen=True, kw_only=True, slots=True)
class ManagedPostgresArgs:
    """Arguments of `ManagedPostgres`.

    `max_storage_gib` is the size to which RDS may grow the storage by itself, 0 to never grow it. `protected` keeps the
    data from being destroyed. With `apply_immediately` a change such as another instance class restarts the server
    during the update; without it RDS applies the change in the next maintenance window, and a refresh shows the old
    value until then. `engine_version` is a major version, of which RDS chooses and upgrades the minor version, or a
    minor version, which stays. `backup_days` is how long RDS keeps its automated backups, and `log_days` how long
    CloudWatch keeps the server's logs.

    Raises:
        ValueError: RDS would refuse a value, or the images have no PostgreSQL client for `engine_version`.
    """

    account: Account
    vpc_id: pulumi.Input[str]
    client_security_group_ids: tuple[str, ...]
    subnet_ids: tuple[str, ...]
    instance_class: str
    storage_gib: int
    max_storage_gib: int
    multi_az: bool
    backup_days: int
    protected: bool
    iam_authentication: bool
    log_days: int = 90
    engine_version: str = postgres_version.MAJOR
    apply_immediately: bool = False

    def __post_init__(self) -> None:
        memory_gib(self.instance_class)
        postgres_version.checked(self.engine_version)
        self.account.database_identifier()
        least_days = rds.least_backup_days(protected=self.protected)
        least_max_gib = rds.least_max_storage(self.storage_gib)
        rules = {
            "subnet_ids": (rds.enough_subnets(self.subnet_ids), f"{rds.LEAST_SUBNETS} subnets or more, in two zones"),
            "storage_gib": (
                rds.LEAST_STORAGE_GIB <= self.storage_gib <= rds.MOST_STORAGE_GIB,
                f"{rds.LEAST_STORAGE_GIB} to {rds.MOST_STORAGE_GIB}",
            ),
            "max_storage_gib": (
                self.max_storage_gib == 0 or least_max_gib <= self.max_storage_gib <= rds.MOST_STORAGE_GIB,
                f"0, or {least_max_gib} (110 % of storage_gib) to {rds.MOST_STORAGE_GIB}",
            ),
            "backup_days": (
                least_days <= self.backup_days <= rds.MOST_BACKUP_DAYS,
                f"{least_days} to {rds.MOST_BACKUP_DAYS}",
            ),
            "log_days": (
                self.log_days in rds.LOG_RETENTION_DAYS,
                f"one of {', '.join(str(days) for days in rds.LOG_RETENTION_DAYS)}",
            ),
        }
        for field, (holds, allowed) in rules.items():
            if not holds:
                raise ValueError(f"{field} must be {allowed}, got {getattr(self, field)!r}.")

    @property
    def identifier(self) -> str:
        """The name of the RDS instance, which is unique in the AWS account and region."""
        return self.account.database_identifier()

    @property
    def log_groups(self) -> dict[str, str]:
        """The names of the CloudWatch log groups, by log; RDS chooses the names.

        https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Procedural.UploadtoCloudWatch.html
        """
        return {log: f"/aws/rds/instance/{self.identifier}/{log}" for log in LOGS}
