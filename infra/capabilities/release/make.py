"""Create the Job that releases the best run."""

import pulumi

import contracts
from infra.capabilities.release.job import Release, ReleaseArgs
from infra.capabilities.release.settings import PODS
from infra.context import Context
from infra.links import Artifacts, Signing, Tracking, Training


def make_release(
    context: Context, artifacts: Artifacts, tracking: Tracking, signing: Signing, training: Training | None
) -> None:
    """Release the best run of the training, if there was a training.

    Exports the names of the experiment, of the model, and of the Job whose termination message is the result.
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
        # The run to release exists after the training; Vault must know the signer; the releases need their bucket.
        context.after(training.ready, signing.ready, artifacts.ready),
    )
    pulumi.export("experiment", settings.experiment)
    pulumi.export("model_name", settings.model_name)
    pulumi.export("release_job", release.job.metadata.name)
