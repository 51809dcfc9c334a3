"""Create the identities of the teams' trainers, and the Job that trains a model during an update."""

from collections.abc import Mapping

import pulumi

import contracts
from infra.capabilities.training.grants import trainer
from infra.capabilities.training.placement import Placement, Taint
from infra.capabilities.training.settings import PODS
from infra.capabilities.training.settings import Trainer as TrainerSettings
from infra.capabilities.training.trainer import Trainer, TrainerArgs
from infra.context import Context
from infra.links import Artifacts, Database, Tracking, Training


def make_training(
    context: Context,
    database: Database,
    artifacts: Artifacts,
    tracking: Tracking,
    teams: Mapping[str, pulumi.Output[str]],
) -> Training | None:
    """Create the identity of each team's trainers and, if releases are enabled, train the model to release."""
    for name, namespace in teams.items():
        context.identity(trainer(name), artifacts, name=f"{name}-trainer", namespace=namespace)
    settings = context.settings
    if not settings.release.enabled:
        return None
    training = Trainer(
        "trainer",
        TrainerArgs(
            namespace=context.namespace,
            image=settings.images.of("trainer"),
            tracking_uri=tracking.url,
            experiment=settings.release.experiment,
            epochs=settings.release.epochs,
            register_models=settings.trainer.register_models,
            placement=_placement(settings.trainer),
            traffic=context.traffic(PODS),
            identity=context.identity(trainer(contracts.MLFLOW_NAMESPACE), artifacts, database),
        ),
        # It uses the tracking server by its name, which says nothing about when the server is ready.
        context.after(tracking.ready),
    )
    return Training(ready=training, job=training.job.metadata.name)


def _placement(settings: TrainerSettings) -> Placement:
    return Placement(
        gpus=settings.gpus,
        node_selector=settings.node_selector,
        tolerations=tuple(Taint(key=each.key, value=each.value, effect=each.effect) for each in settings.tolerations),
    )
