"""The gateway's pods: stateless, without an identity of their own, and scaled with load."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ContainerArgsDict, PodSpecArgsDict, Service

import contracts
from infra.kube.callers import CallersArgs, checked_callers
from infra.kube.pods import Resources, container, environment, http_probe, pod
from infra.kube.services import internal_service, url
from infra.kube.signing_keys import with_keys
from infra.kube.web_service import Autoscaling, WebServiceArgs, web_service
from infra.limits.flows import GATEWAY_PODS, Traffic
from infra.limits.quantities import mebibytes

COMPONENT: Final = GATEWAY_PODS.component

_ALIVE_PATH: Final = "/livez"
_READY_PATH: Final = "/readyz"
# Seconds in which a stopping gateway, which isn't ready any more, leaves the endpoints, and those in which its requests
# may finish then (workloads/gateway/__main__.py).
_LEAVE: Final = 5
_FINISH: Final = 30
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayLimits:
    """What a request may take: seconds for MLflow's answers and for a prediction, and sizes such as 16Mi of bodies."""

    mlflow_timeout: float
    prediction_timeout: int
    body: str
    prediction: str
    artifact: str

    def environment(self) -> dict[str, str]:
        """Return the settings that the gateway reads, with sizes in bytes."""
        return {
            "DEADLINE_SECONDS": f"{self.mlflow_timeout:g}",
            "PREDICT_SECONDS": str(self.prediction_timeout),
            "MAX_BODY_BYTES": str(mebibytes(self.body) * _MIB),
            "MAX_PREDICT_BYTES": str(mebibytes(self.prediction) * _MIB),
            "MAX_ARTIFACT_BYTES": str(mebibytes(self.artifact) * _MIB),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayArgs:
    """Arguments of `Gateway`.

    `status_url` is the reconciler's address, None without served models. `public_hosts` are the names under which
    people reach the gateway. `tmp_size` is the size of the volume for files that pass through.
    """

    namespace: pulumi.Input[str]
    image: str
    tracking_uri: str
    status_url: str | None
    limits: GatewayLimits
    page: bool
    resources: Resources
    autoscaling: Autoscaling
    min_available: int
    cluster_domain: str
    traffic: Traffic
    tmp_size: str
    public_hosts: Sequence[str] = ()


class Gateway(pulumi.ComponentResource):
    """The gateway behind the Service `gateway`.

    A session of the page lives in one pod, so a client stays with the pod that it has reached first.
    """

    url: pulumi.Output[str]

    def __init__(self, name: str, args: GatewayArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Gateway", name, {}, opts)
        child = ResourceOptions(parent=self)
        service = internal_service(
            f"{name}-service", args.namespace, COMPONENT, contracts.GATEWAY_PORT, child, sticky=args.page
        )
        self.url = url(service, contracts.GATEWAY_PORT)
        web_service(
            name,
            WebServiceArgs(
                namespace=args.namespace,
                pod=_pod(args, service),
                traffic=args.traffic,
                replicas=args.autoscaling,
                min_available=args.min_available,
            ),
            self,
        )
        self.register_outputs({"url": self.url})


def _pod(args: GatewayArgs, service: Service) -> PodSpecArgsDict:
    spec: PodSpecArgsDict = {
        **pod(_container(args, service), tmp_size=args.tmp_size),
        # Seconds: 5 more for the server to exit.
        "termination_grace_period_seconds": _LEAVE + _FINISH + 5,
    }
    return with_keys(spec)


def _container(args: GatewayArgs, service: Service) -> ContainerArgsDict:
    port = contracts.GATEWAY_PORT
    return {
        **container(
            COMPONENT,
            args.image,
            args.resources,
            command=["python", "-m", "workloads.gateway"],
            env=[
                *environment(_variables(args)),
                *checked_callers(
                    CallersArgs(
                        pods=GATEWAY_PODS, port=port, domain=args.cluster_domain, public_hosts=args.public_hosts
                    ),
                    service,
                    hosts=f"{contracts.GATEWAY_ENV_PREFIX}ALLOWED_HOSTS",
                    origins=f"{contracts.GATEWAY_ENV_PREFIX}ALLOWED_ORIGINS",
                ),
            ],
        ),
        "ports": [{"name": COMPONENT, "container_port": port}],
        # The imports of the page take some 10 s on a busy CPU.
        "startup_probe": http_probe(_ALIVE_PATH, port, period=3, failures=60),
        "liveness_probe": http_probe(_ALIVE_PATH, port, period=15, failures=4),
        "readiness_probe": http_probe(_READY_PATH, port, period=5, failures=3),
    }


def _variables(args: GatewayArgs) -> dict[str, pulumi.Input[str]]:
    status: dict[str, pulumi.Input[str]] = (
        {} if args.status_url is None else {contracts.Env.SERVING_STATUS: args.status_url}
    )
    settings = {**args.limits.environment(), "DRAIN_SECONDS": str(_LEAVE), "PAGE": str(args.page).lower()}
    return {
        contracts.Env.TRACKING_URI: args.tracking_uri,
        **status,
        contracts.Env.TRUSTED_KEYS: contracts.SIGNING_KEYS_FOLDER,
        **{f"{contracts.GATEWAY_ENV_PREFIX}{name}": value for name, value in settings.items()},
    }
