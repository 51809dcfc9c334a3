"""The base of a capability's section: its share of the checks, flows, workloads and alerts of the whole."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.limits.alerts import Alert
from infra.limits.flows import Flow
from infra.limits.grants import Workload
from infra.settings.section import Section

if TYPE_CHECKING:
    from infra.settings.model import Settings


class Capability(Section):
    """A section of the stack file that belongs to a capability; each method sees the settings of the whole stack."""

    def problems(self, settings: "Settings") -> Iterator[str]:  # noqa: ARG002 - for those that check something
        """Yield a line for each problem: `section.key: got VALUE; allowed: VALUES`."""
        yield from ()

    def flows(self, settings: "Settings") -> Iterator[Flow]:  # noqa: ARG002 - for those whose pods talk
        """Yield the flows of the capability's pods and servers, as they are switched on."""
        yield from ()

    def identities(self, settings: "Settings") -> Iterator[Workload]:  # noqa: ARG002 - for those with identities
        """Yield the capability's workloads that have an identity."""
        yield from ()

    def alerts(self, settings: "Settings") -> Iterator[Alert]:  # noqa: ARG002 - for those that are watched
        """Yield the alerts of the capability's pods and Jobs, as they are switched on."""
        yield from ()


def only_with(section: str, given: Section, kind: str, keys: tuple[str, ...]) -> Iterator[str]:
    """Yield a line for each of `keys` that was set although it means nothing with another `kind` than this one."""
    actual = getattr(given, "kind")  # noqa: B009 - not every section has one
    if actual == kind:
        return
    fields = type(given).model_fields
    for key in keys:
        if key in given.model_fields_set and getattr(given, key) != fields[key].default:
            yield f"{section}.{fields[key].alias or key}: given with kind {actual}; allowed with kind {kind} only"
