"""The model that an update carries from training to a signed and registered version."""

import pulumi
from pulumi import ResourceOptions

import contracts
from infra.assembly import topology
from infra.assembly.roles import Roles
from infra.assembly.signing import Signing
from infra.assembly.store_kinds import BucketStore
from infra.cluster.mlflow import Mlflow
from infra.cluster.placement import Placement, Taint
from infra.jobs.release import Release, ReleaseArgs
from infra.jobs.trainer import Trainer, TrainerArgs
from infra.settings import Settings


def release_model(
    wanted: Settings,
    namespace: pulumi.Input[str],
    server: Mlflow,
    buckets: BucketStore,
    signing: Signing,
    roles: Roles,
    opts: ResourceOptions,
) -> Release:
    """Train, and release the best run."""
    trainer = Trainer(
        "trainer",
        TrainerArgs(
            namespace=namespace,
            image=wanted.images.of("trainer"),
            tracking_uri=topology.MLFLOW_URL,
            server=topology.MLFLOW,
            experiment=wanted.release.experiment,
            epochs=wanted.release.epochs,
            placement=_placement(wanted),
            identity=roles.trainer(),
            servers=roles.cloud.api if roles.cloud else (),
        ),
        # It reaches the server by its name, which says nothing about when the server answers.
        ResourceOptions.merge(opts, ResourceOptions(depends_on=[server])),
    )
    return Release(
        "release",
        ReleaseArgs(
            namespace=namespace,
            image=wanted.images.workloads,
            tracking_uri=topology.MLFLOW_URL,
            vault=signing.vault,
            trainer_job=trainer.job.metadata.name,
            identity=signing.signer,
            bucket=buckets.buckets[contracts.RELEASES_BUCKET],
            servers=(topology.MLFLOW, *buckets.peers, signing.peer),
            experiment=wanted.release.experiment,
            metric=wanted.release.metric,
            goal=wanted.release.goal,
            model_name=wanted.release.model_name,
            largest_artifact=wanted.mlflow.largest_artifact,
        ),
        # There is no run to release before the trainer is done, and nothing signs before Vault knows the signer.
        ResourceOptions.merge(opts, ResourceOptions(depends_on=[trainer, signing.ready, buckets.ready])),
    )


def _placement(wanted: Settings) -> Placement:
    settings = wanted.trainer
    return Placement(
        gpus=settings.gpus,
        node_selector=settings.node_selector,
        tolerations=tuple(Taint(key=each.key, value=each.value, effect=each.effect) for each in settings.tolerations),
    )
