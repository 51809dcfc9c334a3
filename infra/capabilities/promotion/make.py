"""Create the scheduled promotion of the candidate."""

from pathlib import Path

import contracts
from infra.capabilities.promotion.cron_job import Promotion, PromotionArgs
from infra.capabilities.promotion.settings import PODS
from infra.context import Context
from infra.links import Artifacts, Signing, Tracking


def make_promotion(context: Context, artifacts: Artifacts, tracking: Tracking, signing: Signing) -> None:
    """Create the scheduled promotion, if it is enabled. It signs its decisions, so it has the signer's identity."""
    settings = context.settings.promotion
    if not settings.enabled or settings.policy is None:
        return
    Promotion(
        "promotion",
        PromotionArgs(
            namespace=context.namespace,
            image=context.settings.images.of("trainer"),
            tracking_uri=tracking.url,
            vault=signing.vault,
            identity=signing.signer,
            bucket=artifacts.buckets[contracts.RELEASES_BUCKET],
            traffic=context.traffic(PODS),
            schedule=settings.schedule,
            model_name=context.settings.release.model_name,
            policy=Path(settings.policy).read_text(encoding="utf-8"),
            largest_artifact=context.settings.mlflow.largest_artifact,
            logs=context.settings.logs.environment(),
        ),
        # The pod mounts the published keys.
        context.after(tracking.ready, signing.ready, signing.published, artifacts.ready),
    )
