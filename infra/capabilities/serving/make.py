"""Create the namespace of the served models, and the reconciler that serves them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pulumi

import contracts
from infra.capabilities.serving.grants import DELIVERY_WORKLOAD, RECONCILER_WORKLOAD
from infra.capabilities.serving.reconciler import Delivery, Reconciler, ReconcilerArgs
from infra.capabilities.serving.space import ServingPolicies, ServingPoliciesArgs, WantedModels, WantedModelsArgs
from infra.context import Context
from infra.kube.signing_keys import SigningKeys, SigningKeysArgs
from infra.limits.flows import DELIVERY_PODS, MLFLOW, MODEL_PODS, RECONCILER_PODS, S3
from infra.limits.grants import Workload
from infra.limits.quantities import mebibytes
from infra.links import Artifacts, Bucket, Identity, Signing, Tracking

# The files of the largest model, and room for a file system.
_COPIES: Final = 2


def make_serving(
    context: Context,
    artifacts: Artifacts,
    tracking: Tracking,
    signing: Signing,
    repositories: Mapping[str, pulumi.Output[str]],
) -> pulumi.Output[str] | None:
    """Create the reconciler, if models are served, and say which ones the stack serves; return their namespace."""
    settings = context.settings.serving
    if not settings.enabled:
        return None
    namespace = context.closed_namespace(contracts.SERVING_NAMESPACE, silent=MODEL_PODS)
    policies = ServingPolicies(
        "serving",
        ServingPoliciesArgs(
            namespace=namespace, traffic=[context.traffic(pods) for pods in (DELIVERY_PODS, MODEL_PODS)]
        ),
        context.opts,
    )
    keys = SigningKeys(
        "serving-signing-keys", SigningKeysArgs(namespace=namespace, pem=signing.trusted_keys), context.in_place
    )
    _identity(context, DELIVERY_WORKLOAD, artifacts, namespace)
    wanted = {model.name: model.wanted() for model in settings.models}
    WantedModels("serving-wanted", WantedModelsArgs(namespace=namespace, models=wanted), context.in_place)
    Reconciler(
        "serving-reconciler",
        ReconcilerArgs(
            namespace=namespace,
            image=context.settings.images.of("serving"),
            tracking_uri=MLFLOW.url,
            vault=signing.login(contracts.RECONCILER_ROLE),
            identity=_identity(context, RECONCILER_WORKLOAD, artifacts, namespace),
            bucket=_from_elsewhere(artifacts.buckets[contracts.RELEASES_BUCKET]),
            delivery=_delivery(context, repositories),
            unverified=settings.unverified,
            start_timeout=settings.start_timeout,
            kserve=settings.kserve,
            watch=settings.watch.environment(),
            traffic=context.traffic(RECONCILER_PODS),
            largest_artifact=context.settings.mlflow.largest_artifact,
        ),
        # The pods that it makes need their policies and the keys from their start.
        context.after(policies, keys, tracking.ready, signing.ready, artifacts.ready),
    )
    return namespace


def _identity(context: Context, workload: Workload, artifacts: Artifacts, namespace: pulumi.Output[str]) -> Identity:
    name = f"serving-{workload.service_account}"
    return context.identity(workload, artifacts, name=name, namespace=namespace) or context.service_account(
        workload, name=name, namespace=namespace
    )


def _from_elsewhere(bucket: Bucket) -> Bucket:
    """Return a bucket with an address that pods outside of MLflow's namespace reach."""
    return bucket if bucket.keys is None else replace(bucket, endpoint=S3.url)


def _delivery(context: Context, repositories: Mapping[str, pulumi.Output[str]]) -> Delivery:
    settings = context.settings.serving
    size = f"{_COPIES * mebibytes(context.settings.mlflow.largest_artifact)}Mi"
    if settings.delivery == "volume":
        storage_class = settings.storage_class or context.settings.cluster.storage_class
        return Delivery(kind="volume", volume_size=size, storage_class=storage_class)
    repository = settings.repository or repositories[contracts.MODELS_REPOSITORY]
    return Delivery(kind="image", volume_size=size, repository=repository)
