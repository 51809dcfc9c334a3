"""Settings of the scheduled promotion."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pydantic import Field

import contracts
from infra.capabilities.promotion.alerts import failed, overdue
from infra.limits.alerts import Alert
from infra.limits.flows import MLFLOW, Flow, Pods
from infra.settings.capability import Capability
from infra.settings.cron import Schedule, longest_gap
from infra.settings.section import SmallFile

if TYPE_CHECKING:
    from infra.settings.model import Settings

PODS: Final = Pods(contracts.MLFLOW_NAMESPACE, "promotion")
# Seconds: a promotion that can't start within an hour of its time waits for the next scheduled time.
START_WITHIN: Final = 3600
# Seconds.
DEADLINE: Final = 3600


class Promotion(Capability):
    """The scheduled promotion of the candidate of release.modelName, if it passes a policy."""

    enabled: bool = Field(default=False, description="true or false: whether candidates are promoted on a schedule")
    schedule: Schedule = Field(
        default="30 4 * * *",
        description="five cron fields, in UTC, such as '30 4 * * *': minute, hour, day, month, and day of the week "
        "from 0 (Sunday) to 6; steps must fit their range, and the days must exist",
    )
    policy: SmallFile | None = Field(
        default=None,
        description="the path, relative to the repository's root, of a policy file of at most 1 MB, such as "
        "workloads/registry/examples/policy.yaml; required if enabled. A preview doesn't read its rules: run "
        "`python -m workloads.registry check-policy FILE` in CI",
    )

    @property
    def greatest_age(self) -> timedelta:
        """The age that the last run reaches if the next one starts and ends as late as it may."""
        return longest_gap(self.schedule) + timedelta(seconds=START_WITHIN + DEADLINE)

    def problems(self, settings: "Settings") -> Iterator[str]:  # noqa: ARG002 - needs only its own section
        """Yield a line if there is no policy to judge by."""
        if self.enabled and self.policy is None:
            yield (
                "promotion.policy: not set, with enabled true; allowed: the path of a policy file, such as "
                "workloads/registry/examples/policy.yaml"
            )

    def flows(self, settings: "Settings") -> Iterator[Flow]:
        """Yield the flows of the promotion to MLflow, the buckets and Vault."""
        if self.enabled:
            yield Flow(PODS, MLFLOW)
            yield Flow(PODS, settings.artifact_store.server(settings))
            yield Flow(PODS, settings.vault.server(settings))

    def alerts(self, settings: "Settings") -> Iterator[Alert]:  # noqa: ARG002 - needs only its own section
        """Yield the alerts on the schedule."""
        if self.enabled:
            yield from (overdue(PODS, self.greatest_age), failed(PODS))
