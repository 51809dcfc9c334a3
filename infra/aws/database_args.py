"""What a managed PostgreSQL may be asked for, within the limits of RDS."""

from dataclasses import dataclass
from typing import Final

import pulumi

from infra.aws import database_version
from infra.aws.account import Account
from infra.aws.instance_classes import memory_gib
from infra.aws.log_retention import RETENTION_DAYS

# gp3 for PostgreSQL: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html
_LEAST_GIB: Final = 20
_MOST_GIB: Final = 65_536
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.BackupRetention.html
_MOST_BACKUP_DAYS: Final = 35
_LEAST_BACKUP_DAYS_PROTECTED: Final = 7
# A subnet group spans two zones at least, even for a server in one.
_LEAST_SUBNETS: Final = 2
# What RDS exports to CloudWatch: PostgreSQL's own log, and that of a new major version.
LOGS: Final = ("postgresql", "upgrade")


@dataclass(frozen=True, kw_only=True, slots=True)
class ManagedPostgresArgs:
    """Arguments of `ManagedPostgres`.

    `max_storage_gib` is how far RDS may grow the storage by itself, 0 for not at all. `protected` keeps the data from
    being destroyed. With `apply_immediately` a change such as another class restarts the server during the update;
    without it RDS makes the change in the next maintenance window, and a refresh shows the old value until then.
    `engine_version` is a major version, whose minor ones RDS chooses and raises, or a minor version, which stays.
    `log_days` is how long CloudWatch keeps the server's logs.
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
    engine_version: str = database_version.MAJOR
    apply_immediately: bool = False

    def __post_init__(self) -> None:
        memory_gib(self.instance_class)
        database_version.checked(self.engine_version)
        self.account.database_identifier()
        least_backup_days = _LEAST_BACKUP_DAYS_PROTECTED if self.protected else 1
        least_max_gib = -(-self.storage_gib * 11 // 10)
        rules = {
            "subnet_ids": (
                len(set(self.subnet_ids)) >= _LEAST_SUBNETS,
                "two subnets at least, in two zones",
            ),
            "storage_gib": (
                _LEAST_GIB <= self.storage_gib <= _MOST_GIB,
                f"{_LEAST_GIB} to {_MOST_GIB}",
            ),
            "max_storage_gib": (
                self.max_storage_gib == 0 or least_max_gib <= self.max_storage_gib <= _MOST_GIB,
                f"0, or {least_max_gib} (110 % of storage_gib) to {_MOST_GIB}",
            ),
            "backup_days": (
                least_backup_days <= self.backup_days <= _MOST_BACKUP_DAYS,
                f"{least_backup_days} to {_MOST_BACKUP_DAYS}",
            ),
            "log_days": (
                self.log_days in RETENTION_DAYS,
                f"one of {', '.join(str(days) for days in RETENTION_DAYS)}",
            ),
        }
        for field, (holds, allowed) in rules.items():
            if not holds:
                raise ValueError(f"{field} is {getattr(self, field)!r}: allowed is {allowed}.")

    @property
    def identifier(self) -> str:
        """The server's name in the account and region."""
        return self.account.database_identifier()

    @property
    def log_groups(self) -> dict[str, str]:
        """The names that RDS gives to the groups of the server's logs in CloudWatch, by log.

        https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Procedural.UploadtoCloudWatch.html
        """
        return {log: f"/aws/rds/instance/{self.identifier}/{log}" for log in LOGS}
