"""The exporters: ours, for what only Aegis knows, and PostgreSQL's. Only Prometheus connects to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap, ContainerArgsDict, PodSpecArgsDict, Secret, VolumeArgsDict

import contracts
from infra.kube.pod_access import mounted, with_access
from infra.kube.pods import Resources, container, environment, from_secret, http_probe, metadata, pod, tcp_probe
from infra.kube.signing_keys import with_keys
from infra.kube.web_service import WebServiceArgs, web_service
from infra.limits.flows import EXPORTER_PODS, POSTGRES_EXPORTER_PODS, Traffic
from infra.links import Bucket, DatabaseAddress, Identity

_EXPORTER: Final = EXPORTER_PODS.component
_POSTGRES: Final = POSTGRES_EXPORTER_PODS.component

# Idle it takes 25 MiB; for a moment, a second process reads the database and the buckets.
_RESOURCES: Final = Resources(cpu="10m", memory="64Mi", cpu_limit="500m", memory_limit="384Mi")
_POSTGRES_RESOURCES: Final = Resources(cpu="5m", memory="16Mi", cpu_limit="500m", memory_limit="64Mi")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExporterArgs:
    """Arguments of `Exporter`; `buckets` are by the names of their figures.

    `vault_address` and the PEM certificates `vault_authorities` are those of Vault. `certificate_hosts` are watched.
    """

    namespace: pulumi.Input[str]
    image: str
    database: DatabaseAddress
    buckets: Mapping[str, Bucket]
    vault_address: str
    vault_authorities: str | None
    certificate_hosts: Sequence[str]
    identity: Identity | None
    traffic: Traffic


class Exporter(pulumi.ComponentResource):
    """The Deployment `exporter`, which only reads."""

    def __init__(self, name: str, args: ExporterArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Exporter", name, {}, opts)
        child = ResourceOptions(parent=self)
        secret = Secret(
            f"{name}-accounts",
            metadata=metadata(args.namespace, _EXPORTER),
            string_data={
                **args.database.libpq_secrets(),
                contracts.Env.EXPORTER_BUCKETS: pulumi.Output.json_dumps(
                    [_bucket(purpose, bucket) for purpose, bucket in args.buckets.items()]
                ),
            },
            opts=child,
        )
        spec = _pod(args, secret.metadata.name)
        if args.vault_authorities is not None:
            spec = self._with_vault_authorities(name, args.namespace, spec, args.vault_authorities)
        _deploy(name, args.namespace, spec, args.traffic, self)
        self.register_outputs({})

    def _with_vault_authorities(
        self, name: str, namespace: pulumi.Input[str], spec: PodSpecArgsDict, pem: str
    ) -> PodSpecArgsDict:
        folder, _, file = contracts.VAULT_CA_PATH.rpartition("/")
        authorities = ConfigMap(
            f"{name}-vault-authorities",
            metadata=metadata(namespace, _EXPORTER),
            data={file: pem},
            opts=ResourceOptions(parent=self),
        )
        volume: VolumeArgsDict = {"name": "vault-authorities", "config_map": {"name": authorities.metadata.name}}
        return mounted(spec, volume, folder)


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresExporterArgs:
    """Arguments of `PostgresExporter`; the user of `database` has a password."""

    namespace: pulumi.Input[str]
    image: str
    database: DatabaseAddress
    traffic: Traffic


class PostgresExporter(pulumi.ComponentResource):
    """The Deployment `postgres-exporter`."""

    def __init__(self, name: str, args: PostgresExporterArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:PostgresExporter", name, {}, opts)
        secret = Secret(
            f"{name}-account",
            metadata=metadata(args.namespace, _POSTGRES),
            string_data={"DATA_SOURCE_PASS": args.database.password or ""},
            opts=ResourceOptions(parent=self),
        )
        main = _postgres_container(args, secret.metadata.name)
        _deploy(name, args.namespace, with_access(pod(main), database=args.database), args.traffic, self)
        self.register_outputs({})


def _deploy(
    name: str, namespace: pulumi.Input[str], spec: PodSpecArgsDict, traffic: Traffic, parent: pulumi.Resource
) -> None:
    # A node must be drainable, and an exporter keeps nothing.
    args = WebServiceArgs(namespace=namespace, pod=spec, traffic=traffic, replicas=1, min_available=0)
    web_service(name, args, parent)


def _bucket(purpose: str, bucket: Bucket) -> dict[str, pulumi.Input[str]]:
    # MLflow's database is backed up to this folder, and the exporter's role may list no other.
    prefix = contracts.BACKUPS_PREFIX if purpose == "backups" else bucket.prefix
    found: dict[str, pulumi.Input[str]] = {"name": purpose, "bucket": bucket.bucket, "prefix": prefix}
    if bucket.keys is not None:
        found |= {"access_key": bucket.keys.access_key, "secret_key": bucket.keys.secret_key}
    return found


def _pod(args: ExporterArgs, secret: pulumi.Input[str]) -> PodSpecArgsDict:
    return with_access(with_keys(pod(_container(args, secret))), identity=args.identity, database=args.database)


def _container(args: ExporterArgs, secret: pulumi.Input[str]) -> ContainerArgsDict:
    port = contracts.EXPORTER_PORT
    store = next(iter(args.buckets.values()))
    variables: dict[str, pulumi.Input[str]] = {
        **args.database.libpq_environment(),
        **store.environment(),
        contracts.Env.VAULT_ADDR: args.vault_address,
        contracts.Env.TRUSTED_KEYS: contracts.SIGNING_KEYS_FOLDER,
    }
    if args.vault_authorities is not None:
        variables[contracts.Env.VAULT_CACERT] = contracts.VAULT_CA_PATH
    if args.certificate_hosts:
        variables[contracts.Env.EXPORTER_CERTIFICATES] = ",".join(args.certificate_hosts)
    return {
        **container(
            _EXPORTER,
            args.image,
            _RESOURCES,
            command=["python", "-m", "workloads.monitoring.exporter"],
            env=environment(variables),
            env_from=[from_secret(secret)],
        ),
        "ports": [{"name": "metrics", "container_port": port}],
        # The server of its figures answers while a source hangs.
        "liveness_probe": tcp_probe(port, period=20, failures=6),
        "readiness_probe": http_probe("/metrics", port, period=10, failures=3),
    }


def _postgres_container(args: PostgresExporterArgs, secret: pulumi.Input[str]) -> ContainerArgsDict:
    port, database = contracts.POSTGRES_EXPORTER_PORT, args.database
    encryption = (
        "sslmode=disable"
        if database.authorities is None
        else f"sslmode=verify-full&sslrootcert={contracts.DATABASE_CA_PATH}"
    )
    source = pulumi.Output.concat(database.host, f":{database.port}/{database.name}?{encryption}")
    return {
        **container(
            _POSTGRES,
            args.image,
            _POSTGRES_RESOURCES,
            command=["prometheus-postgres-exporter"],
            args=[f"--web.listen-address=:{port}"],
            env=environment({"DATA_SOURCE_URI": source, "DATA_SOURCE_USER": database.user}),
            env_from=[from_secret(secret)],
        ),
        "ports": [{"name": "metrics", "container_port": port}],
        # Its page of links asks nobody. A database that is down must not restart it, as it is the one to tell.
        "liveness_probe": http_probe("/", port, period=20, failures=6),
        "readiness_probe": tcp_probe(port, period=10, failures=3),
    }
