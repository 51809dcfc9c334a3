"""Settings of the release."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

import contracts
from infra.capabilities.release.alerts import failed
from infra.limits.alerts import Alert
from infra.limits.flows import MLFLOW, Flow, Pods
from infra.settings.capability import Capability
from infra.settings.names import Experiment, Metric, Model

if TYPE_CHECKING:
    from infra.settings.model import Settings

PODS: Final = Pods(contracts.MLFLOW_NAMESPACE, "release")


class Release(Capability):
    """The model that an update of the stack trains, signs and registers."""

    enabled: bool = Field(default=True, description="true or false: whether an update trains and releases a model")
    experiment: Experiment = Field(
        default="aegis", description="the name of an MLflow experiment: 1 to 256 printable characters"
    )
    epochs: int = Field(
        default=3, ge=1, le=1000, description="passes over the training data, an integer from 1 to 1000"
    )
    metric: Metric = Field(
        default="val/accuracy",
        description="the name of a logged metric: 1 to 250 letters, digits, spaces and /_.-:, as a normalized path",
    )
    goal: Literal["maximize", "minimize"] = Field(
        default="maximize", description="maximize or minimize: whether the best run has the highest or the lowest value"
    )
    model_name: Model = Field(
        default="aegis-classifier",
        description="the name of a registered model: 1 to 255 bytes of printable characters without / : or ', and not "
        ". or ..",
    )

    def flows(self, settings: "Settings") -> Iterator[Flow]:
        """Yield the flows of the release to MLflow, the buckets and Vault."""
        if self.enabled:
            yield Flow(PODS, MLFLOW)
            yield Flow(PODS, settings.artifact_store.server(settings))
            yield Flow(PODS, settings.vault.server(settings))

    def alerts(self, settings: "Settings") -> Iterator[Alert]:  # noqa: ARG002 - needs only its own section
        """Yield the alert on the release."""
        if self.enabled:
            yield failed(PODS)
