"""Settings of the scheduled backup."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pydantic import Field

import contracts
from infra.capabilities.backup.alerts import failed, overdue
from infra.capabilities.backup.cron import Schedule, longest_gap
from infra.capabilities.backup.grants import WORKLOAD
from infra.limits.alerts import Alert
from infra.limits.flows import Flow, Pods
from infra.limits.grants import Workload
from infra.settings.capability import Capability

if TYPE_CHECKING:
    from infra.settings.model import Settings

PODS: Final = Pods(contracts.MLFLOW_NAMESPACE, "backup")
# Seconds: a backup that could not start within an hour of its time waits for the next night.
START_WITHIN: Final = 3600
DEADLINE: Final = 4 * 3600


class Backup(Capability):
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

    @property
    def greatest_age(self) -> timedelta:
        """The age of the last backup when the next one starts late and takes all of its time."""
        return longest_gap(self.schedule) + timedelta(seconds=START_WITHIN + DEADLINE)

    def flows(self, settings: "Settings") -> Iterator[Flow]:
        """Yield the flows of a backup: it reads the database and writes to the buckets."""
        yield Flow(PODS, settings.database.server)
        yield Flow(PODS, settings.artifact_store.server(settings))

    def identities(self, settings: "Settings") -> Iterator[Workload]:  # noqa: ARG002 - whatever the other settings are
        """Yield the backup."""
        yield WORKLOAD

    def alerts(self, settings: "Settings") -> Iterator[Alert]:  # noqa: ARG002 - whatever the other settings are
        """Yield the alerts of the schedule."""
        if not self.suspended:
            yield from (overdue(PODS, self.greatest_age), failed(PODS))
