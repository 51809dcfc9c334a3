"""Settings of a team of data scientists."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field

import contracts
from infra.limits.flows import MLFLOW, Flow, Pods
from infra.limits.quantities import gibibytes
from infra.settings.capability import Capability
from infra.settings.section import Label, MemorySize

if TYPE_CHECKING:
    from infra.settings.model import Settings

# Characters: a namespace's name has at most 63.
_LONGEST_TEAM: Final = 63 - len(contracts.TEAM_NAMESPACE_PREFIX)


def _team_memory(value: str) -> str:
    if gibibytes(value) < 1:
        raise ValueError("less than 1Gi")
    return value


class Team(Capability):
    """A team of data scientists: a closed namespace `team-NAME`, whose pods reach MLflow, and in AWS a trainer role."""

    name: Annotated[Label, Field(max_length=_LONGEST_TEAM)] = Field(
        description=f"1 to {_LONGEST_TEAM} lower-case letters, digits and inner hyphens; AWS also limits the length of "
        "the name of the team's role"
    )
    cpu: int = Field(
        default=16, ge=1, le=10_000, description="CPUs that its pods may request in total, an integer from 1 to 10000"
    )
    memory: Annotated[MemorySize, AfterValidator(_team_memory)] = Field(
        default="64Gi", description="memory that its pods may request in total, a size of at least 1Gi, such as 64Gi"
    )
    gpus: int = Field(
        default=0, ge=0, le=1000, description="GPUs that its pods may request in total, an integer from 0 to 1000"
    )

    @property
    def namespace(self) -> str:
        """The name of the team's namespace."""
        return f"{contracts.TEAM_NAMESPACE_PREFIX}{self.name}"

    def flows(self, settings: "Settings") -> Iterator[Flow]:
        """Yield the flows of the team's pods to MLflow and, in AWS, to S3."""
        yield Flow(Pods(self.namespace), MLFLOW)
        if settings.artifact_store.kind == "s3":
            yield Flow(Pods(self.namespace), settings.artifact_store.server(settings))
