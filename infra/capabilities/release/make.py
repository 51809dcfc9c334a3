"""Makes the release of the best run."""

import pulumi

import contracts
from infra.capabilities.release.job import Release, ReleaseArgs
from infra.capabilities.release.settings import PODS
from infra.context import Context
from infra.links import Artifacts, Signing, Tracking, Training


def make_release(
    context: Context, artifacts: Artifacts, tracking: Tracking, signing: Signing, training: Training | None
) -> None:
    """Release the best run of the training, if there is one.

    Exports what is released, and the Job whose pod ends with the result as its message.
    """
    if training is None:
        return
    settings = context.settings.release
    release = Release(
        "release",
        ReleaseArgs(
            namespace=context.namespace,
            image=context.settings.images.workloads,
            tracking_uri=tracking.url,
            vault=signing.vault,
            trainer_job=training.job,
            identity=signing.signer,
            bucket=artifacts.buckets[contracts.RELEASES_BUCKET],
            traffic=context.traffic(PODS),
            experiment=settings.experiment,
            metric=settings.metric,
            goal=settings.goal,
            model_name=settings.model_name,
            largest_artifact=context.settings.mlflow.largest_artifact,
        ),
        # There is no run to release before the training is done, and Vault must know the signer.
        context.after(training.ready, signing.ready, artifacts.ready),
    )
    pulumi.export("experiment", settings.experiment)
    pulumi.export("model_name", settings.model_name)
    pulumi.export("release_job", release.job.metadata.name)
