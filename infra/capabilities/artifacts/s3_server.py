"""An S3 server in the cluster, for environments without Amazon S3: its volumes, its buckets, and their S3 users.

Each bucket belongs to one S3 user, which can't access the other buckets. The Job that creates them uses the root user.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.apps.v1 import StatefulSet
from pulumi_kubernetes.batch.v1 import Job
from pulumi_kubernetes.core.v1 import ContainerArgsDict, Secret, Service
from pulumi_random import RandomPassword

import contracts
from infra.capabilities.artifacts.settings import SETUP
from infra.kube.job import run_once
from infra.kube.network_policy import allow
from infra.kube.pods import Resources, container, environment, from_secret, http_probe, metadata, pod, tcp_probe
from infra.kube.services import internal_service, url
from infra.kube.stateful import single_instance
from infra.limits.flows import S3_PODS, Traffic
from infra.links import Bucket, BucketKeys

COMPONENT: Final = S3_PODS.component
SETUP_COMPONENT: Final = SETUP.component
ROOT_ACCESS_KEY: Final = "root"
# The S3 user that owns each bucket, named after the component that uses it.
OWNERS: Final = {
    contracts.ARTIFACTS_BUCKET: "mlflow",
    contracts.BACKUPS_BUCKET: "backup",
    contracts.RELEASES_BUCKET: "release",
}

_RESOURCES: Final = Resources(cpu="25m", memory="128Mi", cpu_limit="1", memory_limit="1Gi")
_SETUP_RESOURCES: Final = Resources(cpu="10m", memory="128Mi", cpu_limit="1", memory_limit="512Mi")
# A path that can't be a bucket's: bucket names have no upper-case letters.
_HEALTH_PATH: Final = "/HEALTH"
# The S3 users and the old versions of objects take little space.
_SMALL_VOLUME: Final = "1Gi"


@dataclass(frozen=True, kw_only=True, slots=True)
class Console:
    """The URLs of the server's web page: its own, and the one at which the page calls the server."""

    url: str
    server_url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectStoreArgs:
    """Arguments of `ObjectStore`.

    `traffic` is that of the server, `setup_traffic` that of the Job that creates the buckets. Without `console`, the
    server has no web page.
    """

    namespace: pulumi.Input[str]
    image: str
    setup_image: str
    storage: str
    storage_class: str
    region: str
    traffic: Traffic
    setup_traffic: Traffic
    console: Console | None = None


class ObjectStore(pulumi.ComponentResource):
    """An S3 server; `buckets` are the platform's buckets on it, with their credentials."""

    buckets: dict[str, Bucket]
    url: pulumi.Output[str]
    root_secret_key: pulumi.Output[str]

    def __init__(self, name: str, args: ObjectStoreArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:ObjectStore", name, {}, opts)
        child = ResourceOptions(parent=self)
        self.root_secret_key = self._secret_key(f"{name}-root")
        self.buckets = {
            bucket: Bucket(
                endpoint=f"http://{COMPONENT}:{contracts.S3_PORT}",
                region=args.region,
                bucket=bucket,
                keys=BucketKeys(access_key=owner, secret_key=self._secret_key(f"{name}-{owner}")),
            )
            for bucket, owner in OWNERS.items()
        }
        service: Service = internal_service(
            f"{name}-service",
            args.namespace,
            COMPONENT,
            contracts.S3_PORT,
            child,
            more_ports={"console": contracts.S3_CONSOLE_PORT} if args.console else None,
        )
        self.url = url(service, contracts.S3_PORT)
        allow(f"{name}-traffic", args.namespace, args.traffic, child)
        allow(f"{name}-setup-traffic", args.namespace, args.setup_traffic, child)
        self._setup(name, args, self._server(name, args))
        self.register_outputs({"url": self.url})

    def _owners(self) -> Iterator[tuple[str, BucketKeys]]:
        return ((bucket, access.keys) for bucket, access in self.buckets.items() if access.keys is not None)

    def _secret_key(self, name: str) -> pulumi.Output[str]:
        return RandomPassword(f"{name}-key", length=40, special=False, opts=ResourceOptions(parent=self)).result

    def _server(self, name: str, args: ObjectStoreArgs) -> StatefulSet:
        root = Secret(
            f"{name}-root-account",
            metadata=metadata(args.namespace, COMPONENT),
            string_data={"ROOT_ACCESS_KEY": ROOT_ACCESS_KEY, "ROOT_SECRET_KEY": self.root_secret_key},
            opts=ResourceOptions(parent=self),
        )
        volumes = {"data": args.storage, "versions": _SMALL_VOLUME, "iam": _SMALL_VOLUME}
        return single_instance(
            f"{name}-server",
            args.namespace,
            COMPONENT,
            pod(_container(args, root.metadata.name, list(volumes))),
            port=contracts.S3_PORT,
            storage_class=args.storage_class,
            volumes=volumes,
            parent=self,
        )

    def _setup(self, name: str, args: ObjectStoreArgs, server: StatefulSet) -> Job:
        secret = Secret(
            f"{name}-setup-accounts",
            metadata=metadata(args.namespace, SETUP_COMPONENT),
            string_data={
                "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": self.root_secret_key,
                contracts.Env.BUCKET_OWNERS: pulumi.Output.json_dumps(
                    [
                        {"bucket": bucket, "access_key": owner.access_key, "secret_key": owner.secret_key}
                        for bucket, owner in self._owners()
                    ]
                ),
            },
            opts=ResourceOptions(parent=self),
        )
        main = container(
            SETUP_COMPONENT,
            args.setup_image,
            _SETUP_RESOURCES,
            command=["python", "-m", "workloads.object_store.prepare"],
            env=environment(self.buckets[contracts.ARTIFACTS_BUCKET].environment()),
            env_from=[from_secret(secret.metadata.name)],
        )
        # The Job's few retries would run out before the server answers.
        return run_once(f"{name}-setup", args.namespace, SETUP_COMPONENT, pod(main), parent=self, depends_on=[server])


def _console(console: Console | None) -> dict[str, str]:
    if console is None:
        return {}
    return {
        "VGW_WEBUI_PORT": f":{contracts.S3_CONSOLE_PORT}",
        "VGW_WEBUI_GATEWAYS": console.server_url,
        "VGW_WEBUI_ADMIN_GATEWAYS": console.server_url,
        # The page has another port than the server, so its calls are cross-origin requests.
        "VGW_CORS_ALLOW_ORIGIN": console.url,
    }


def _container(args: ObjectStoreArgs, root: pulumi.Input[str], volumes: list[str]) -> ContainerArgsDict:
    return {
        **container(
            COMPONENT,
            args.image,
            _RESOURCES,
            env=environment({"VGW_REGION": args.region, "VGW_HEALTH": _HEALTH_PATH, **_console(args.console)}),
            env_from=[from_secret(root)],
            mounts=[{"name": volume, "mount_path": f"/{volume}"} for volume in volumes],
        ),
        "ports": [
            {"name": COMPONENT, "container_port": contracts.S3_PORT},
            *([{"name": "console", "container_port": contracts.S3_CONSOLE_PORT}] if args.console else []),
        ],
        "readiness_probe": http_probe(_HEALTH_PATH, contracts.S3_PORT, period=5, failures=3),
        # A check of the port only, as a server that is busy with large objects may answer late.
        "liveness_probe": tcp_probe(contracts.S3_PORT, period=20, failures=6),
    }
