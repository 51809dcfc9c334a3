"""Settings of the trainer that runs during an update."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

import contracts
from infra.capabilities.training.grants import trainer
from infra.limits.flows import MLFLOW, Flow, Pods
from infra.limits.grants import Workload
from infra.settings.capability import Capability
from infra.settings.names import Model
from infra.settings.section import NodeLabel, NodeLabelValue, Section

if TYPE_CHECKING:
    from infra.settings.model import Settings

PODS: Final = Pods(contracts.MLFLOW_NAMESPACE, "trainer")
# The trainer registers its models under the experiment's name with these ends (workloads/training/args.py).
_ENDS: Final = ("_pytorch_model", "_model")
_MODEL: Final[TypeAdapter[str]] = TypeAdapter(Model)


class Toleration(Section):
    """A node taint that the trainer's pod tolerates."""

    key: NodeLabel = Field(description="the taint's key, such as nvidia.com/gpu")
    value: NodeLabelValue | None = Field(default=None, description="the taint's value; default: any value")
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] = Field(
        default="NoSchedule", description="NoSchedule, NoExecute or PreferNoSchedule"
    )


class Trainer(Capability):
    """The trainer that runs during an update: its GPUs, its nodes, and what it registers."""

    gpus: int = Field(default=0, ge=0, le=16, description="GPUs of the trainer's pod, an integer from 0 to 16")
    node_selector: dict[NodeLabel, NodeLabelValue] = Field(
        default={},
        description="an object of the labels that the trainer's node must have, such as karpenter.sh/nodepool: gpu",
    )
    tolerations: list[Toleration] = Field(
        default=[], description="a list of objects: the taints that the trainer's pod tolerates"
    )
    register_models: bool = Field(
        default=False,
        description="true or false: whether the trainer registers what it trains as EXPERIMENT_pytorch_model and "
        "EXPERIMENT_model (PyFunc), unsigned, where EXPERIMENT is release.experiment",
    )

    def problems(self, settings: "Settings") -> Iterator[str]:
        """Yield a line for each name that the trainer can't register."""
        if not self.register_models:
            return
        release = settings.release
        names = [f"{release.experiment}{end}" for end in _ENDS]
        if not all(map(_names_a_model, names)):
            yield (
                f'release.experiment: got "{release.experiment}"; allowed with trainer.registerModels: the name of a '
                f"registered model, as release.modelName, also when {_ENDS[0]} is appended"
            )
        if release.model_name in names:
            yield (
                f'release.modelName: got "{release.model_name}"; allowed with trainer.registerModels: a name '
                f"other than {' and '.join(names)}, under which the trainer registers unsigned models"
            )

    def flows(self, settings: "Settings") -> Iterator[Flow]:
        """Yield the flows of the trainer that runs during an update."""
        if not settings.release.enabled:
            return
        yield Flow(PODS, MLFLOW)
        if settings.aws_server is not None:
            yield Flow(PODS, settings.aws_server)

    def identities(self, settings: "Settings") -> Iterator[Workload]:
        """Yield the trainer that runs during an update, and those of the teams."""
        if settings.release.enabled:
            yield trainer(contracts.MLFLOW_NAMESPACE)
        for index, team in enumerate(settings.teams):
            yield trainer(team.namespace, (f"teams[{index}].name", team.name))


def _names_a_model(name: str) -> bool:
    try:
        _MODEL.validate_python(name)
    except ValidationError:
        return False
    return True
