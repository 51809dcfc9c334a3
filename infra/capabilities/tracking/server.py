"""The MLflow tracking server: stateless pods between two stores, scaled by load and never all down at once.

The schema of the database is another component's (`migration`), and so are the two stores.
"""

import base64
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap, ContainerArgsDict, PodSpecArgsDict, Secret, Service
from pulumi_random import RandomBytes, RandomPassword

import contracts
from infra.capabilities.tracking.callers import POD_IP_VARIABLE, Callers
from infra.capabilities.tracking.sizing import resources
from infra.kube.pod_access import with_access
from infra.kube.pods import container, from_config_map, from_secret, http_probe, metadata, pod
from infra.kube.services import cluster_ip, internal_service, url
from infra.kube.web_service import Autoscaling, WebServiceArgs, web_service
from infra.limits.connections import ConnectionPool
from infra.limits.flows import MLFLOW_PODS, Traffic
from infra.links import Bucket, DatabaseAddress, Identity

COMPONENT: Final = MLFLOW_PODS.component

_ALIVE_PATH: Final = "/health"
# Seconds: a proxy in front keeps its connections for a minute, and must be the one that closes them.
_KEEP_ALIVE: Final = 75
# Seconds that requests get to finish after the pod was told to stop, of the pod's grace period.
_FINISH: Final = 45
# Seconds in which the endpoints forget a pod that was told to stop, and its clients are asked to leave.
_LEAVE: Final = 10
_UVICORN_OPTIONS: Final = f"--timeout-keep-alive {_KEEP_ALIVE} --timeout-graceful-shutdown {_FINISH}"
_PRE_STOP: Final = f"touch {contracts.DRAINING_FILE} && sleep {_LEAVE}"


@dataclass(frozen=True, kw_only=True, slots=True)
class MlflowArgs:
    """Arguments of `Mlflow`.

    `public_hosts` are the names under which people reach it. `tmp_size` is the size of the volume on which uploads and
    downloads are staged, whole; with `direct_transfers` clients get presigned addresses of the object store instead.
    """

    namespace: pulumi.Input[str]
    image: str
    database: DatabaseAddress
    artifacts: Bucket
    workers: int
    pool: ConnectionPool
    autoscaling: Autoscaling
    cluster_domain: str
    traffic: Traffic
    public_hosts: tuple[str, ...] = ()
    direct_transfers: bool = False
    identity: Identity | None = None
    min_available: int = 1
    tmp_size: str = "4Gi"


class Mlflow(pulumi.ComponentResource):
    """The tracking server and model registry behind the Service `mlflow`."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: MlflowArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Mlflow", name, {}, opts)
        self._name, self._args = name, args
        self._child = ResourceOptions(parent=self)
        service = internal_service(f"{name}-service", args.namespace, COMPONENT, contracts.MLFLOW_PORT, self._child)
        self.url = url(service, contracts.MLFLOW_PORT)
        web_service(
            name,
            WebServiceArgs(
                namespace=args.namespace,
                component=COMPONENT,
                pod=self._pod(service),
                traffic=args.traffic,
                autoscaling=args.autoscaling,
                min_available=args.min_available,
            ),
            self,
        )
        self.register_outputs({"url": self.url})

    def _config(self) -> ConfigMap:
        """Make what the server reads and anyone may; a change gets a new name, and so new pods."""
        args = self._args
        return ConfigMap(
            f"{self._name}-config",
            metadata=metadata(args.namespace, COMPONENT),
            data={
                **args.artifacts.environment(),
                # Clients send artifacts to the server, which alone holds keys of the bucket.
                "MLFLOW_DEFAULT_ARTIFACT_ROOT": "mlflow-artifacts:/",
                "MLFLOW_ARTIFACTS_DESTINATION": args.artifacts.address,
                "MLFLOW_HOST": "0.0.0.0",  # noqa: S104 - the pod's own network; the network policy says who gets there
                "MLFLOW_PORT": str(contracts.MLFLOW_PORT),
                "MLFLOW_WORKERS": str(args.workers),
                # Job runners keep their queue in the pod: with more than one pod, jobs would run twice or get lost.
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                contracts.Env.DIRECT_TRANSFERS: str(args.direct_transfers).lower(),
                "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": str(args.pool.size),
                "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": str(args.pool.overflow),
                # Seconds: before a firewall or a proxy on the way drops an idle connection.
                "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "1800",
            },
            opts=self._child,
        )

    def _secret(self) -> Secret:
        """Make what the server must keep to itself, the same in every pod and over every restart."""
        name, args = self._name, self._args
        session_key = RandomPassword(f"{name}-session-key", length=48, special=False, opts=self._child)
        webhook_key = RandomBytes(f"{name}-webhook-key", length=32, opts=self._child)
        # Encrypts the credentials that MLflow keeps for its gateway; unset, MLflow uses a passphrase that is public.
        passphrase = RandomPassword(f"{name}-gateway-passphrase", length=48, special=False, opts=self._child)
        return Secret(
            f"{name}-secret",
            metadata=metadata(args.namespace, COMPONENT),
            string_data={
                **args.artifacts.secrets(),
                contracts.Env.BACKEND_STORE_URI: args.database.uri(),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": session_key.result,
                "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": webhook_key.base64.apply(fernet_key),
                "MLFLOW_CRYPTO_KEK_PASSPHRASE": passphrase.result,
            },
            opts=self._child,
        )

    def _pod(self, service: Service) -> PodSpecArgsDict:
        main: PodSpecArgsDict = {
            **pod(self._container(service), tmp_size=self._args.tmp_size),
            # The rest is for the server to end in.
            "termination_grace_period_seconds": _LEAVE + _FINISH + 5,
        }
        return with_access(main, identity=self._args.identity, database=self._args.database)

    def _container(self, service: Service) -> ContainerArgsDict:
        args, port = self._args, contracts.MLFLOW_PORT
        callers = self._callers(service)
        return {
            **container(
                COMPONENT,
                args.image,
                resources(args.workers, args.autoscaling.min_replicas, args.autoscaling.memory_target),
                command=["mlflow", "server", "--app-name", contracts.TRACKING_APP, "--uvicorn-opts", _UVICORN_OPTIONS],
                env=[
                    {"name": POD_IP_VARIABLE, "value_from": {"field_ref": {"field_path": "status.podIP"}}},
                    {"name": "MLFLOW_SERVER_ALLOWED_HOSTS", "value": callers.apply(Callers.hosts)},
                    {"name": "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "value": callers.apply(Callers.origins)},
                ],
                env_from=[
                    from_config_map(self._config().metadata.name),
                    from_secret(self._secret().metadata.name),
                ],
            ),
            "ports": [{"name": COMPONENT, "container_port": port}],
            # Four workers import for 20 s on a free CPU, and for minutes on a busy one.
            "startup_probe": http_probe(_ALIVE_PATH, port, period=5, failures=60),
            "liveness_probe": http_probe(_ALIVE_PATH, port, period=15, failures=4),
            "readiness_probe": http_probe(contracts.READY_PATH, port, period=5, failures=6),
            "lifecycle": {"pre_stop": {"exec_": {"command": ["sh", "-c", _PRE_STOP]}}},
        }

    def _callers(self, service: Service) -> pulumi.Output[Callers]:
        args = self._args
        return pulumi.Output.all(args.namespace, cluster_ip(service)).apply(
            lambda known: Callers(
                service=COMPONENT,
                namespace=known[0],
                domain=args.cluster_domain,
                port=contracts.MLFLOW_PORT,
                cluster_ip=known[1],
                public_hosts=args.public_hosts,
            )
        )


def fernet_key(base64_text: str) -> str:
    """Return 32 random bytes, given in plain base64, as a Fernet key: the same bytes in URL-safe base64."""
    key = base64.b64decode(base64_text)
    if len(key) != 32:  # noqa: PLR2004 - https://github.com/fernet/spec/blob/master/Spec.md#key-format
        raise ValueError(f"a Fernet key is made of 32 bytes, and {len(key)} were given.")
    return base64.urlsafe_b64encode(key).decode()
