"""Settings of MLflow's database."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, Field

import contracts
from infra.aws.database_authorities import regions
from infra.capabilities.database.alerts import connections, unreachable, volume_full
from infra.limits import postgres_version, rds
from infra.limits.alerts import Alert
from infra.limits.connections import in_cluster_connections
from infra.limits.flows import POSTGRES, RDS, Flow, Pods, Server
from infra.limits.grants import Workload, decrypt_admin_secret, read_admin_secret
from infra.limits.instance_classes import max_connections
from infra.limits.quantities import MOST_VOLUME_GIB, gibibytes, mebibytes
from infra.settings.capability import Capability, only_with
from infra.settings.section import VOLUME_SIZES, CertificatesFile, VolumeSize

if TYPE_CHECKING:
    from infra.settings.model import Settings

SETUP: Final = Pods(contracts.MLFLOW_NAMESPACE, "database-setup")
# It may read the administrator's password and nothing else.
SETUP_WORKLOAD: Final = Workload(
    service_account=contracts.DATABASE_SETUP_SERVICE_ACCOUNT, grants=(read_admin_secret(), decrypt_admin_secret())
)

SubnetId = Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]
SecurityGroupId = Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")]

_LEAST_MEMORY_MIB: Final = 256
_MOST_MEMORY_MIB: Final = 256 * 1024
_RDS_ONLY: Final = (
    "version",
    "instance_class",
    "max_storage",
    "multi_az",
    "backup_days",
    "log_days",
    "subnet_ids",
    "client_security_group_ids",
    "apply_immediately",
    "authorities",
)


def _rds_size(value: str) -> str:
    if not 1 <= gibibytes(value) <= rds.MOST_STORAGE_GIB:
        raise ValueError("out of range")
    return value


def _memory(value: str) -> str:
    if not _LEAST_MEMORY_MIB <= mebibytes(value) <= _MOST_MEMORY_MIB:
        raise ValueError("out of range")
    return value


def _log_days(value: int) -> int:
    if value not in rds.LOG_RETENTION_DAYS:
        raise ValueError("CloudWatch refuses this number of days")
    return value


class Database(Capability):
    """MLflow's database."""

    kind: Literal["in-cluster", "rds"] = Field(
        default="in-cluster", description="in-cluster (PostgreSQL as a StatefulSet) or rds (RDS for PostgreSQL)"
    )
    version: Annotated[str, AfterValidator(postgres_version.checked)] = Field(
        default=postgres_version.MAJOR, description=postgres_version.ALLOWED
    )
    storage: VolumeSize = Field(
        default="20Gi",
        description=f"{VOLUME_SIZES}, such as 20Gi; RDS needs at least {rds.LEAST_STORAGE_GIB}Gi and can grow; a "
        "volume in the cluster can't be resized later",
    )
    memory: Annotated[str, AfterValidator(_memory)] = Field(
        default="1Gi",
        description="in-cluster only: the server's memory, a size from 256Mi to 256Gi; it limits the number of "
        "connections",
    )
    auth: Literal["password", "iam"] = Field(
        default="password",
        description="password, or iam (RDS only: workloads log in with 15-minute tokens of their IAM roles, without a "
        "password)",
    )
    instance_class: str = Field(
        default="db.t4g.medium",
        description="RDS only: an instance class, such as db.m7g.large; its memory limits the number of connections",
    )
    max_storage: Annotated[str, AfterValidator(_rds_size)] = Field(
        default="100Gi",
        description="RDS only: the size up to which storage grows automatically, from "
        f"{rds.GROWTH_PERCENT} percent above storage to {rds.MOST_STORAGE_GIB // 1024}Ti",
    )
    multi_az: bool = Field(
        default=True, description="RDS only: true or false: whether to run a standby in a second zone"
    )
    backup_days: int = Field(
        default=14,
        ge=1,
        le=rds.MOST_BACKUP_DAYS,
        description=f"RDS only: days to keep automated backups, an integer from 1 to {rds.MOST_BACKUP_DAYS}",
    )
    log_days: Annotated[int, AfterValidator(_log_days)] = Field(
        default=90,
        description="RDS only: days to keep the server's logs in CloudWatch, one of "
        f"{', '.join(str(days) for days in rds.LOG_RETENTION_DAYS)}",
    )
    subnet_ids: list[SubnetId] = Field(
        default=[],
        description="RDS only: a list of two or more subnet IDs, such as subnet-0123456789abcdef0; default: those of "
        "the EKS cluster",
    )
    client_security_group_ids: list[SecurityGroupId] = Field(
        default=[],
        description="RDS only: a list of the IDs of the security groups of the pods or their nodes, such as "
        "sg-0123456789abcdef0; default: the EKS cluster's own",
    )
    apply_immediately: bool = Field(
        default=True,
        description="RDS only: true or false: whether changes, such as a new class, are applied during the update, "
        "which can restart the server; with false they wait for the maintenance window, while the rest of the stack "
        "relies on them at once",
    )
    authorities: CertificatesFile | None = Field(
        default=None,
        description="RDS only: the path, relative to the repository's root, of a PEM file with the CA certificates for "
        "the server's certificate, without a private key; default: those that RDS publishes, or with an emulated AWS "
        "API the file that the environment variable AEGIS_DATABASE_AUTHORITIES names",
    )

    @property
    def connections(self) -> int:
        """The number of connections that the server accepts.

        Raises:
            ValueError: The instance class is unknown.
        """
        if self.kind == "rds":
            return max_connections(self.instance_class)
        return in_cluster_connections(self.memory)

    @property
    def server(self) -> Server:
        """The PostgreSQL server, the end of the flows of the pods that use it."""
        return RDS if self.kind == "rds" else POSTGRES

    def problems(self, settings: "Settings") -> Iterator[str]:
        """Yield a line for each problem of the database's settings."""
        yield from only_with("database", self, self.kind, "rds", _RDS_ONLY)
        if self.kind == "in-cluster":
            if self.auth == "iam":
                yield 'database.auth: got "iam"; allowed only with kind rds, as only RDS accepts IAM roles'
            return
        if settings.cluster.eks_name is None:
            yield 'database.kind: got "rds"; allowed only with cluster.eksName, as the database is created in its VPC'
        try:
            max_connections(self.instance_class)
        except ValueError as error:
            yield f"database.instanceClass: {error}"
        if settings.aws is not None and self.authorities is None and settings.aws.region not in regions():
            yield (
                f'aws.region: got "{settings.aws.region}"; allowed with RDS: {", ".join(regions())}; or set '
                "database.authorities"
            )
        yield from self._storage_problems()
        yield from self._network_problems()
        least_days = rds.least_backup_days(
            protected=settings.environment is not None and settings.environment.protected
        )
        if self.backup_days < least_days:
            yield (
                f"database.backupDays: got {self.backup_days} in a protected environment; allowed: {least_days} to "
                f"{rds.MOST_BACKUP_DAYS}"
            )

    def _storage_problems(self) -> Iterator[str]:
        for key, size in (("storage", self.storage), ("maxStorage", self.max_storage)):
            if gibibytes(size) % 1:
                yield f"database.{key}: got {size}; allowed with kind rds: a whole number of Gi or Ti"
        if gibibytes(self.storage) < rds.LEAST_STORAGE_GIB:
            yield (
                f"database.storage: got {self.storage}; allowed with kind rds: {rds.LEAST_STORAGE_GIB}Gi to "
                f"{MOST_VOLUME_GIB // 1024}Ti"
            )
        least_max = rds.least_max_storage(math.ceil(gibibytes(self.storage)))
        if gibibytes(self.max_storage) < least_max:
            yield (
                f"database.maxStorage: got {self.max_storage} with storage {self.storage}; allowed: at least "
                f"{least_max}Gi, {rds.GROWTH_PERCENT} percent above storage"
            )

    def _network_problems(self) -> Iterator[str]:
        if self.subnet_ids and not rds.enough_subnets(self.subnet_ids):
            yield (
                f"database.subnetIds: got only {self.subnet_ids[0]}; allowed: {rds.LEAST_SUBNETS} or more subnets, in "
                "different zones"
            )
        groups = self.client_security_group_ids
        for group in sorted({group for group in groups if groups.count(group) > 1}):
            yield f"database.clientSecurityGroupIds: got {group} {groups.count(group)} times; allowed: each once"

    def flows(self, settings: "Settings") -> Iterator[Flow]:
        """Yield the flows of the Job that creates MLflow's database and its owner on RDS."""
        if self.kind == "rds" and settings.aws_server is not None:
            yield Flow(SETUP, self.server)
            yield Flow(SETUP, settings.aws_server)

    def identities(self, settings: "Settings") -> Iterator[Workload]:  # noqa: ARG002 - the same for all settings
        """Yield the Job that creates MLflow's database and its owner on RDS."""
        yield SETUP_WORKLOAD

    def alerts(self, settings: "Settings") -> Iterator[Alert]:
        """Yield the alerts on the database, as far as PostgreSQL's exporter can log in to it."""
        if not settings.monitoring.enabled:
            return
        yield unreachable(by_exporter=self.auth == "password")
        if self.auth == "password":
            yield connections(self.connections)
        if self.kind == "in-cluster":
            yield volume_full(int(gibibytes(self.storage) * 2**30))
