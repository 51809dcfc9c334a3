"""The MLflow tracking server: stateless pods that scale with load, and of which some are always up.

The database and its schema (`migration`) and the object store belong to other components.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap, ContainerArgsDict, PodSpecArgsDict, Secret, Service
from pulumi_random import RandomBytes, RandomPassword

import contracts
from infra.capabilities.tracking.sizing import resources, shared_memory_size
from infra.kube.callers import CallersArgs, checked_callers
from infra.kube.pod_access import with_access
from infra.kube.pods import (
    SHARED_MEMORY_MOUNT,
    container,
    from_config_map,
    from_secret,
    http_probe,
    metadata,
    pod,
    shared_memory,
)
from infra.kube.services import internal_service, url
from infra.kube.signing_keys import with_keys
from infra.kube.web_service import Autoscaling, WebServiceArgs, web_service
from infra.limits.connections import ConnectionPool
from infra.limits.flows import MLFLOW_PODS, Traffic
from infra.links import Bucket, DatabaseAddress, Identity

COMPONENT: Final = MLFLOW_PODS.component

_ALIVE_PATH: Final = "/health"
# Seconds: more than the minute for which a proxy keeps idle connections, as the proxy must close them first.
_KEEP_ALIVE: Final = 75
# Seconds of the pod's grace period in which requests may finish.
_FINISH: Final = 45
# Seconds before that in which a stopping pod leaves the endpoints and asks its clients to close their connections.
_LEAVE: Final = 10
_UVICORN_OPTIONS: Final = f"--timeout-keep-alive {_KEEP_ALIVE} --timeout-graceful-shutdown {_FINISH}"
_PRE_STOP: Final = f"touch {contracts.DRAINING_FILE} && sleep {_LEAVE}"


@dataclass(frozen=True, kw_only=True, slots=True)
class MlflowArgs:
    """Arguments of `Mlflow`.

    `public_hosts` are the names under which people reach the server. `tmp_size` is the size of the volume that stages
    whole uploads and downloads. With `direct_transfers`, clients get presigned URLs of the object store instead. Only
    versions that verify get the `guarded_aliases` and `guarded_stages`.
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
    guarded_aliases: tuple[str, ...] = ()
    guarded_stages: tuple[str, ...] = ()
    identity: Identity | None = None
    min_available: int = 1
    tmp_size: str = "4Gi"
    logs: Mapping[str, str] = field(default_factory=dict)


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
                pod=self._pod(service),
                traffic=args.traffic,
                replicas=args.autoscaling,
                min_available=args.min_available,
            ),
            self,
        )
        self.register_outputs({"url": self.url})

    def _config(self) -> ConfigMap:
        """Create the ConfigMap of the server's public configuration. A change gets a new name, and so new pods."""
        args = self._args
        return ConfigMap(
            f"{self._name}-config",
            metadata=metadata(args.namespace, COMPONENT),
            data={
                **args.artifacts.environment(),
                # Clients send artifacts to the server, as only the server may write under MLflow's prefix.
                "MLFLOW_DEFAULT_ARTIFACT_ROOT": "mlflow-artifacts:/",
                "MLFLOW_ARTIFACTS_DESTINATION": args.artifacts.address,
                "MLFLOW_HOST": "0.0.0.0",  # noqa: S104 - in the pod's network, which the network policy protects
                "MLFLOW_PORT": str(contracts.MLFLOW_PORT),
                "MLFLOW_WORKERS": str(args.workers),
                # MLflow's job runners keep their queue in the pod. With several pods, jobs would run twice or get lost.
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                **args.logs,
                contracts.Env.DIRECT_TRANSFERS: str(args.direct_transfers).lower(),
                contracts.Env.TRUSTED_KEYS: contracts.SIGNING_KEYS_FOLDER,
                contracts.Env.GUARDED_ALIASES: ",".join(args.guarded_aliases),
                contracts.Env.GUARDED_STAGES: ",".join(args.guarded_stages),
                "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": str(args.pool.size),
                "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": str(args.pool.overflow),
                # Seconds: before a firewall or proxy on the way drops an idle connection.
                "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "1800",
            },
            opts=self._child,
        )

    def _secret(self) -> Secret:
        """Create the Secret of the server's credentials and keys, the same for all pods and restarts."""
        name, args = self._name, self._args
        session_key = RandomPassword(f"{name}-session-key", length=48, special=False, opts=self._child)
        webhook_key = RandomBytes(f"{name}-webhook-key", length=32, opts=self._child)
        # Encrypts the credentials that MLflow stores for its gateway. If unset, MLflow uses a public passphrase.
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
            **pod(
                self._container(service),
                tmp_size=self._args.tmp_size,
                volumes=[shared_memory(shared_memory_size(self._args.workers))],
            ),
            # Seconds: 5 more for the server to exit.
            "termination_grace_period_seconds": _LEAVE + _FINISH + 5,
        }
        return with_access(with_keys(main), identity=self._args.identity, database=self._args.database)

    def _container(self, service: Service) -> ContainerArgsDict:
        args, port = self._args, contracts.MLFLOW_PORT
        return {
            **container(
                COMPONENT,
                args.image,
                resources(args.workers, args.autoscaling.min_replicas, args.autoscaling.memory_target),
                command=["python", "-m", "workloads.tracking", "--uvicorn-opts", _UVICORN_OPTIONS],
                env=checked_callers(
                    CallersArgs(
                        pods=MLFLOW_PODS, port=port, domain=args.cluster_domain, public_hosts=args.public_hosts
                    ),
                    service,
                    hosts="MLFLOW_SERVER_ALLOWED_HOSTS",
                    origins="MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
                ),
                env_from=[
                    from_config_map(self._config().metadata.name),
                    from_secret(self._secret().metadata.name),
                ],
                mounts=[SHARED_MEMORY_MOUNT],
            ),
            "ports": [
                {"name": COMPONENT, "container_port": port},
                {"name": contracts.METRICS_PORT_NAME, "container_port": contracts.METRICS_PORT},
            ],
            # The imports of four workers take 20 s on an idle CPU, and minutes on a busy one.
            "startup_probe": http_probe(_ALIVE_PATH, port, period=5, failures=60),
            "liveness_probe": http_probe(_ALIVE_PATH, port, period=15, failures=4),
            "readiness_probe": http_probe(contracts.READY_PATH, port, period=5, failures=6),
            "lifecycle": {"pre_stop": {"exec_": {"command": ["sh", "-c", _PRE_STOP]}}},
        }


def fernet_key(base64_text: str) -> str:
    """Convert 32 bytes from plain base64 to a Fernet key, which is URL-safe base64.

    Raises:
        ValueError: The bytes aren't 32.
    """
    key = base64.b64decode(base64_text)
    if len(key) != 32:  # noqa: PLR2004 - https://github.com/fernet/spec/blob/master/Spec.md#key-format
        raise ValueError(f"a Fernet key must be 32 bytes, got {len(key)}.")
    return base64.urlsafe_b64encode(key).decode()
