"""Create the gateway."""

from typing import Final

import pulumi

from infra.capabilities.gateway.server import Gateway, GatewayArgs, GatewayLimits
from infra.context import Context
from infra.kube.pods import Resources
from infra.kube.web_service import Autoscaling
from infra.limits.flows import GATEWAY_PODS, MLFLOW, RECONCILER
from infra.limits.quantities import mebibytes, millicores
from infra.links import Signing, Tracking

# A pod is one process, which may use a second core for compression and TLS.
_LEAST_CPU_LIMIT: Final = "2"
_LEAST_MEMORY_LIMIT: Final = "1Gi"


def make_gateway(context: Context, tracking: Tracking, signing: Signing) -> None:
    """Create the gateway, if it is enabled, and export its URL."""
    if not context.settings.gateway.enabled:
        return
    # Its pods mount the published keys, to show which versions are signed.
    gateway = Gateway("gateway", _arguments(context), context.after(tracking.ready, signing.published))
    pulumi.export("gateway_url", context.address("gateway", gateway.url))


def _arguments(context: Context) -> GatewayArgs:
    settings, mlflow = context.settings.gateway, context.settings.mlflow
    return GatewayArgs(
        namespace=context.namespace,
        image=context.settings.images.of("gateway"),
        tracking_uri=MLFLOW.url,
        status_url=RECONCILER.url if context.settings.serving.enabled else None,
        limits=GatewayLimits(
            mlflow_timeout=settings.mlflow_timeout,
            prediction_timeout=settings.prediction_timeout,
            body=settings.body_limit,
            prediction=settings.prediction_limit,
            artifact=mlflow.largest_artifact,
        ),
        page=settings.page,
        resources=Resources(
            cpu=settings.cpu,
            memory=settings.memory,
            cpu_limit=max(settings.cpu, _LEAST_CPU_LIMIT, key=millicores),
            memory_limit=max(settings.memory, _LEAST_MEMORY_LIMIT, key=mebibytes),
        ),
        autoscaling=Autoscaling(
            min_replicas=settings.min_replicas,
            max_replicas=settings.max_replicas,
            cpu_target=settings.cpu_target,
            memory_target=settings.memory_target,
        ),
        min_available=settings.min_available,
        cluster_domain=context.settings.cluster.domain,
        traffic=context.traffic(GATEWAY_PODS),
        tmp_size=mlflow.tmp_size,
        public_hosts=tuple(settings.public_hosts),
    )
