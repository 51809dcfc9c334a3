"""Where an environment keeps what MLflow knows: the database, the buckets, and the backups."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from infra.aws import database_version
from infra.aws.log_retention import RETENTION_DAYS
from infra.quantities import gibibytes, mebibytes
from infra.settings.names import Region
from infra.settings.schedule import Schedule
from infra.settings.section import CertificatesFile, Label, Network, Section, VolumeSize

SubnetId = Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]
SecurityGroupId = Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")]

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html, gp3 storage of PostgreSQL
_MOST_RDS_GIB = 65_536
_LEAST_DATABASE_MIB = 256
_MOST_DATABASE_MIB = 256 * 1024


def _rds_size(value: str) -> str:
    if not 1 <= gibibytes(value) <= _MOST_RDS_GIB:
        raise ValueError("out of range")
    return value


def _database_memory(value: str) -> str:
    if not _LEAST_DATABASE_MIB <= mebibytes(value) <= _MOST_DATABASE_MIB:
        raise ValueError("out of range")
    return value


def _log_days(value: int) -> int:
    if value not in RETENTION_DAYS:
        raise ValueError("CloudWatch takes other numbers of days")
    return value


class Database(Section):
    """MLflow's database."""

    kind: Literal["in-cluster", "rds"] = Field(
        default="in-cluster", description="in-cluster (PostgreSQL as a StatefulSet) or rds (RDS for PostgreSQL)"
    )
    version: Annotated[str, AfterValidator(database_version.checked)] = Field(
        default=database_version.MAJOR, description=database_version.ALLOWED
    )
    storage: VolumeSize = Field(
        default="20Gi",
        description="a volume size from 1Gi to 16Ti, such as 20Gi; RDS takes 20Gi at least, and can grow; a "
        "volume in the cluster can't be changed later",
    )
    memory: Annotated[str, AfterValidator(_database_memory)] = Field(
        default="1Gi",
        description="in-cluster only: a size from 256Mi to 256Gi that the server may use; it bounds the connections",
    )
    auth: Literal["password", "iam"] = Field(
        default="password",
        description="password, or iam (RDS only: 15-minute tokens of the workloads' roles, and no password)",
    )
    instance_class: str = Field(
        default="db.t4g.medium",
        description="RDS only: an instance class, such as db.m7g.large; its memory bounds the connections",
    )
    max_storage: Annotated[str, AfterValidator(_rds_size)] = Field(
        default="100Gi",
        description="RDS only: up to where the storage grows by itself, from 10 percent above storage to 64Ti",
    )
    multi_az: bool = Field(default=True, description="RDS only: true or false: a standby in a second zone")
    backup_days: int = Field(
        default=14, ge=1, le=35, description="RDS only: days of automated backups, an integer from 1 to 35"
    )
    log_days: Annotated[int, AfterValidator(_log_days)] = Field(
        default=90,
        description="RDS only: days for which CloudWatch keeps the server's logs, one of "
        f"{', '.join(str(days) for days in RETENTION_DAYS)}",
    )
    subnet_ids: list[SubnetId] = Field(
        default=[],
        description="RDS only: a list of two or more subnets' IDs, such as subnet-0123456789abcdef0; default: "
        "those of the EKS cluster",
    )
    client_security_group_ids: list[SecurityGroupId] = Field(
        default=[],
        description="RDS only: a list of the IDs of the security groups that pods are in, such as "
        "sg-0123456789abcdef0; default: the EKS cluster's own",
    )
    apply_immediately: bool = Field(
        default=True,
        description="RDS only: true or false: whether a change, such as of the class, is made and the "
        "server restarted during "
        "the update; with false it waits for the maintenance window, and the cluster counts on it at once",
    )
    authorities: CertificatesFile | None = Field(
        default=None,
        description="RDS only: the path, from the repository's root, of a PEM file with the authorities of the "
        "server's certificate, and without a private key (with an emulated AWS API the environment's "
        "AEGIS_DATABASE_AUTHORITIES fills in); default: those that RDS publishes",
    )


class ArtifactStore(Section):
    """Where artifacts, backups and releases are kept."""

    kind: Literal["in-cluster", "s3"] = Field(
        default="in-cluster", description="in-cluster (an S3 server as a StatefulSet) or s3 (buckets in AWS)"
    )
    storage: VolumeSize = Field(
        default="20Gi",
        description="in-cluster only: a volume size from 1Gi to 16Ti, such as 20Gi; can't be changed later",
    )
    region: Label = Field(
        default="us-west-2", description="in-cluster only: the region that server and clients name, such as us-west-2"
    )
    replica_region: Region | None = Field(
        default=None,
        description="s3 only: a second region that every object is replicated to; default: none",
    )
    cold_after_days: int | None = Field(
        default=None,
        ge=30,
        le=3650,
        description="s3 only: days after which artifacts move to a cheaper tier, an integer from 30 to "
        "3650; default: never",
    )
    backup_lock_days: int | None = Field(
        default=None,
        ge=1,
        le=3650,
        description="s3 only: days in which nobody can delete a backup (object lock), an integer from 1 to "
        "backup.retentionDays; default: no lock; cannot be set later",
    )


class Backup(Section):
    """The scheduled backup of the database."""

    schedule: Schedule = Field(
        default="0 2 * * *",
        description="five cron fields, in UTC, such as '0 2 * * *': minute, hour, day, month, day of the week from 0, "
        "Sunday, to 6; steps within their range, and days that come",
    )
    retention_days: int = Field(
        default=30, ge=1, le=3650, description="days that a backup is kept, an integer from 1 to 3650"
    )
    suspended: bool = Field(default=False, description="true or false")


class Egress(Section):
    """The networks outside of the cluster that pods may reach, beside the database's."""

    aws: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, in which AWS's API (S3, STS) is "
        "reached, such as those of "
        "VPC endpoints; default: everywhere but link-local addresses, on port 443",
    )
    vault: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, in which an external Vault is reached",
    )
