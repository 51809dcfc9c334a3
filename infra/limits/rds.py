"""Limits of RDS for PostgreSQL, and of its logs in CloudWatch."""

from collections.abc import Sequence
from typing import Final

# GiB of gp3 storage for PostgreSQL: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html
LEAST_STORAGE_GIB: Final = 20
MOST_STORAGE_GIB: Final = 65_536
# Days of automated backups:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.BackupRetention.html
MOST_BACKUP_DAYS: Final = 35
# In a protected environment, a mistake must still be recoverable after a long weekend.
_LEAST_BACKUP_DAYS_PROTECTED: Final = 7
# A subnet group must cover at least two zones, even for a server in one zone:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_VPC.WorkingWithRDSInstanceinaVPC.html
LEAST_SUBNETS: Final = 2
# The least maximum of growing storage, in percent above its size:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
GROWTH_PERCENT: Final = 10
# CloudWatch accepts only these numbers of days:
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LOG_RETENTION_DAYS: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip


def least_max_storage(storage_gib: int) -> int:
    """Return the least maximum, in whole GiB, that RDS accepts for growing storage."""
    return -(-storage_gib * (100 + GROWTH_PERCENT) // 100)


def least_backup_days(*, protected: bool) -> int:
    """Return the fewest days for which a server must keep automated backups."""
    return _LEAST_BACKUP_DAYS_PROTECTED if protected else 1


def enough_subnets(subnet_ids: Sequence[str]) -> bool:
    """Return whether there are enough different subnets for a subnet group."""
    return len(set(subnet_ids)) >= LEAST_SUBNETS
