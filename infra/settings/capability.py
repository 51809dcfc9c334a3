"""The base of a capability's section of the stack file: its checks, network flows, workloads and alerts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from infra.limits.alerts import Alert, Recording
from infra.limits.flows import Flow, Pods
from infra.limits.grants import Workload
from infra.limits.scraping import Target
from infra.settings.section import Section

if TYPE_CHECKING:
    from infra.settings.model import Settings


class Capability(Section):
    """A capability's section of the stack file. Each method gets the settings of the whole stack."""

    def problems(self, settings: "Settings") -> Iterator[str]:  # noqa: ARG002 - for overrides
        """Yield a line for each problem: `section.key: got VALUE; allowed: VALUES`."""
        yield from ()

    def flows(self, settings: "Settings") -> Iterator[Flow]:  # noqa: ARG002 - for overrides
        """Yield the network flows of the capability's pods and servers that the settings switch on."""
        yield from ()

    def identities(self, settings: "Settings") -> Iterator[Workload]:  # noqa: ARG002 - for overrides
        """Yield the capability's workloads that have an identity."""
        yield from ()

    def alerts(self, settings: "Settings") -> Iterator[Alert]:  # noqa: ARG002 - for overrides
        """Yield the alerts on the capability's pods and Jobs that the settings switch on."""
        yield from ()

    def recordings(self, settings: "Settings") -> Iterator[Recording]:  # noqa: ARG002 - for overrides
        """Yield the series that Prometheus computes for the capability's alerts."""
        yield from ()

    def targets(self, settings: "Settings") -> Iterator[Target]:  # noqa: ARG002 - for overrides
        """Yield the servers of the capability's figures that the settings switch on."""
        yield from ()


class Scaled(Capability):
    """A capability whose server has more pods under load."""

    min_replicas: int = Field(default=2, ge=1, le=50, description="the minimum number of pods, an integer from 1 to 50")
    max_replicas: int = Field(
        default=10, ge=1, le=50, description="the maximum number of pods, an integer from minReplicas to 50"
    )
    min_available: int = Field(
        default=1,
        ge=0,
        le=49,
        description="pods that must stay up while a node is drained, an integer from 0 to minReplicas - 1",
    )
    cpu_target: int = Field(
        default=70,
        ge=10,
        le=95,
        description="percent of the CPU request at which the server scales out, an integer from 10 to 95",
    )
    memory_target: int = Field(
        default=80,
        ge=50,
        le=95,
        description="percent of the memory request at which the server scales out, an integer from 50 to 95",
    )

    def scaling_problems(self, section: str) -> Iterator[str]:
        """Yield a line for each problem of the fewest and the most pods, and of those that must stay up."""
        least = self.min_replicas
        if self.max_replicas < least:
            yield f"{section}.maxReplicas: got {self.max_replicas}; allowed: minReplicas ({least}) to 50"
        if self.min_available >= least:
            yield (
                f"{section}.minAvailable: got {self.min_available} with minReplicas {least}; allowed: 0 to {least - 1}"
                ", as otherwise no node can be drained"
            )


def aws_flows(settings: "Settings", pods: Pods, workload: Workload) -> Iterator[Flow]:
    """Yield the flow to AWS of pods that have a role: they exchange their token at STS, whatever they call then."""
    if settings.aws_server is not None and workload.granted(settings.stores_in_aws):
        yield Flow(pods, settings.aws_server)


def only_with(section: str, settings: Section, actual: str, kind: str, keys: tuple[str, ...]) -> Iterator[str]:
    """Yield a line for each of `keys` that a section of the kind `actual` changes although it is for `kind` only."""
    if actual == kind:
        return
    fields = type(settings).model_fields
    for key in keys:
        if key in settings.model_fields_set and getattr(settings, key) != fields[key].default:
            yield f"{section}.{fields[key].alias or key}: set with kind {actual}; allowed only with kind {kind}"
