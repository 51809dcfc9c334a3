"""Settings of the buckets of artifacts, backups and releases."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

import contracts
from infra.capabilities.artifacts.alerts import volume_full
from infra.limits.alerts import Alert
from infra.limits.buckets import SOONEST_COLD_DAYS, lock_fits
from infra.limits.flows import S3, Flow, Pods, Server
from infra.limits.quantities import gibibytes
from infra.settings.aws import partition
from infra.settings.capability import Capability, only_with
from infra.settings.names import Region
from infra.settings.section import VOLUME_SIZES, Label, VolumeSize

if TYPE_CHECKING:
    from infra.settings.model import Settings

SETUP: Final = Pods(contracts.MLFLOW_NAMESPACE, "s3-setup")


class ArtifactStore(Capability):
    """The buckets of artifacts, backups and releases."""

    kind: Literal["in-cluster", "s3"] = Field(
        default="in-cluster", description="in-cluster (an S3 server as a StatefulSet) or s3 (buckets in AWS)"
    )
    storage: VolumeSize = Field(
        default="20Gi",
        description=f"in-cluster only: {VOLUME_SIZES}, such as 20Gi; can't be changed later",
    )
    region: Label = Field(
        default="us-west-2", description="in-cluster only: the region name of the S3 server, such as us-west-2"
    )
    replica_region: Region | None = Field(
        default=None,
        description="s3 only: a second region to which S3 replicates every object; default: none",
    )
    cold_after_days: int | None = Field(
        default=None,
        ge=SOONEST_COLD_DAYS,
        le=3650,
        description="s3 only: days after which artifacts move to a cheaper storage class, an integer from "
        f"{SOONEST_COLD_DAYS} to 3650; default: never",
    )
    backup_lock_days: int | None = Field(
        default=None,
        ge=1,
        le=3650,
        description="s3 only: days in which deleting the versions of a backup requires s3:BypassGovernanceRetention "
        "(object lock in governance mode), an integer from 1 to backup.retentionDays; default: no lock; can't be added "
        "to existing buckets",
    )

    def problems(self, settings: "Settings") -> Iterator[str]:
        """Yield a line for each problem of the buckets' settings."""
        yield from only_with("artifactStore", self, self.kind, "in-cluster", ("storage", "region"))
        yield from only_with(
            "artifactStore", self, self.kind, "s3", ("replica_region", "cold_after_days", "backup_lock_days")
        )
        if self.kind == "s3" and not settings.cluster.gives_aws_roles:
            yield (
                'artifactStore.kind: got "s3"; allowed only with cluster.eksName or cluster.oidcIssuer, as pods get '
                "their IAM roles by tokens of the cluster's OIDC issuer"
            )
        days = settings.backup.retention_days
        if not lock_fits(self.backup_lock_days, days):
            yield (
                f"artifactStore.backupLockDays: got {self.backup_lock_days} with backup.retentionDays {days}; allowed: "
                f"1 to {days}, as the lock would keep a backup beyond its retention"
            )
        yield from self._region_problems(settings)
        if settings.aws is not None:
            yield from self._replica_problems(settings.aws.region)

    def _region_problems(self, settings: "Settings") -> Iterator[str]:
        aws = settings.aws
        if (
            self.kind == "in-cluster"
            and aws is not None
            and settings.database.auth == "iam"
            and self.region != aws.region
        ):
            yield (
                f'artifactStore.region: got "{self.region}"; allowed with database.auth iam: "{aws.region}", as in '
                "aws.region: a pod has one region for its bucket and its role"
            )

    def _replica_problems(self, region: str) -> Iterator[str]:
        replica = self.replica_region
        if replica == region:
            yield (f'artifactStore.replicaRegion: got "{replica}", the same as aws.region; allowed: a different region')
        elif replica is not None and partition(replica) != (home := partition(region)):
            yield f'artifactStore.replicaRegion: got "{replica}"; allowed: a region of the partition {home}'

    def server(self, settings: "Settings") -> Server:
        """Return the S3 server or Amazon S3, the end of the flows of the pods that use the buckets."""
        if self.kind == "s3" and settings.aws_server is not None:
            return settings.aws_server
        return S3

    def flows(self, settings: "Settings") -> Iterator[Flow]:  # noqa: ARG002 - needs only its own section
        """Yield the flows of the Job that creates the buckets on an S3 server in the cluster."""
        if self.kind == "in-cluster":
            yield Flow(SETUP, S3)

    def alerts(self, settings: "Settings") -> Iterator[Alert]:
        """Yield the alert on the volume of an S3 server in the cluster."""
        if self.kind == "in-cluster" and settings.monitoring.enabled:
            yield volume_full(int(gibibytes(self.storage) * 2**30))
