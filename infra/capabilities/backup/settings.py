"""Settings of the scheduled backup of the database."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pydantic import Field

import contracts
from infra.capabilities.backup.alerts import failed, overdue, unverified
from infra.capabilities.backup.grants import WORKLOAD
from infra.limits.alerts import Alert
from infra.limits.flows import Flow, Pods
from infra.limits.grants import Workload
from infra.settings.capability import Capability, aws_flows
from infra.settings.cron import Schedule, longest_gap

if TYPE_CHECKING:
    from infra.settings.model import Settings

PODS: Final = Pods(contracts.MLFLOW_NAMESPACE, "backup")
# Seconds: a backup that can't start within an hour of its time waits for the next scheduled time.
START_WITHIN: Final = 3600
# Seconds.
DEADLINE: Final = 4 * 3600


class Backup(Capability):
    """The scheduled backup of the database."""

    schedule: Schedule = Field(
        default="0 2 * * *",
        description="five cron fields, in UTC, such as '0 2 * * *': minute, hour, day, month, and day of the week from "
        "0 (Sunday) to 6; steps must fit their range, and the days must exist",
    )
    retention_days: int = Field(
        default=30, ge=1, le=3650, description="days to keep a backup set, an integer from 1 to 3650"
    )
    suspended: bool = Field(default=False, description="true or false: whether the schedule is paused")

    @property
    def greatest_age(self) -> timedelta:
        """The age that the last backup reaches if the next one starts and ends as late as it may."""
        return longest_gap(self.schedule) + timedelta(seconds=START_WITHIN + DEADLINE)

    def flows(self, settings: "Settings") -> Iterator[Flow]:
        """Yield the flows of the backup to the database and the buckets."""
        yield Flow(PODS, settings.database.server)
        yield Flow(PODS, settings.artifact_store.server(settings))
        yield from aws_flows(settings, PODS, WORKLOAD)

    def identities(self, settings: "Settings") -> Iterator[Workload]:  # noqa: ARG002 - the same for all settings
        """Yield the backup."""
        yield WORKLOAD

    def alerts(self, settings: "Settings") -> Iterator[Alert]:
        """Yield the alerts on the schedule."""
        if self.suspended:
            return
        yield from (overdue(PODS, self.greatest_age), failed(PODS))
        if settings.monitoring.enabled:
            yield unverified(self.greatest_age)
