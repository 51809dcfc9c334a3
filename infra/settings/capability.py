"""The base of a capability's section of the stack file: its checks, network flows, workloads and alerts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.limits.alerts import Alert
from infra.limits.flows import Flow, Pods
from infra.limits.grants import Workload
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
