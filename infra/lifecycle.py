"""The model that an update carries from training to a signed and registered version."""

import pulumi
from pulumi import ResourceOptions

import contracts
from infra import topology
from infra.cluster.mlflow import Mlflow
from infra.jobs.release import Release, ReleaseArgs
from infra.jobs.trainer import Trainer, TrainerArgs
from infra.settings import Settings
from infra.signing import Signing
from infra.stores import BucketStore


def release_model(
    wanted: Settings,
    namespace: pulumi.Input[str],
    server: Mlflow,
    buckets: BucketStore,
    signing: Signing,
    opts: ResourceOptions,
) -> Release:
    """Train, and release the best run."""
    trainer = Trainer(
        "trainer",
        TrainerArgs(
            namespace=namespace,
            image=wanted.images.trainer,
            tracking_uri=topology.MLFLOW_URL,
            server=topology.MLFLOW,
            experiment=wanted.release.experiment,
            epochs=wanted.release.epochs,
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
            vault_url=topology.VAULT_URL,
            vault_role=signing.role,
            trainer_job=trainer.job.metadata.name,
            service_account=signing.service_account,
            bucket=buckets.buckets[contracts.RELEASES_BUCKET],
            servers=(topology.MLFLOW, topology.S3, topology.VAULT),
            experiment=wanted.release.experiment,
            metric=wanted.release.metric,
            goal=wanted.release.goal,
            model_name=wanted.release.model_name,
        ),
        # There is no run to release before the trainer is done, and nothing signs before Vault knows the signer.
        ResourceOptions.merge(opts, ResourceOptions(depends_on=[trainer, signing.ready, buckets.ready])),
    )
