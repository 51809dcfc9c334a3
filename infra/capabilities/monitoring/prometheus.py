"""Prometheus: one pod that reads the platform's figures, keeps them and evaluates the stack's alerts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import yaml
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap, ContainerArgsDict

import contracts
from infra.capabilities.monitoring.prometheus_config import RULES_FOLDER, configuration, service_name
from infra.kube.network_policy import allow
from infra.kube.pods import Resources, container, environment, http_probe, metadata, pod
from infra.kube.services import internal_service, metrics_service
from infra.kube.stateful import single_instance
from infra.limits.flows import PROMETHEUS_PODS, Traffic
from infra.limits.quantities import mebibytes
from infra.limits.scraping import Target

COMPONENT: Final = PROMETHEUS_PODS.component

# Measured with the figures of the stack `local`: 70 MiB of memory and 1 % of a core.
_RESOURCES: Final = Resources(cpu="20m", memory="128Mi", cpu_limit="1", memory_limit="512Mi")
# Go's garbage collector works harder above this, well before the limit.
_SOFT_LIMIT: Final = "384MiB"
_CONFIG_FOLDER: Final = "/etc/prometheus/config"
_CONFIG_FILE: Final = "prometheus.yaml"
_RULES_FILE: Final = "aegis.yaml"
_DATA_FOLDER: Final = "/prometheus"
# The rest is for the write-ahead log and for the compaction of blocks.
_BLOCKS_SHARE: Final = 0.7


@dataclass(frozen=True, kw_only=True, slots=True)
class PrometheusArgs:
    """Arguments of `Prometheus`: what it reads, in which `namespaces` (by their names), and its groups of rules.

    `domain` is the DNS domain of the cluster.
    """

    namespace: pulumi.Input[str]
    image: str
    storage: str
    storage_class: str
    retention_days: int
    targets: Sequence[Target]
    namespaces: Mapping[str, pulumi.Input[str]]
    domain: str
    rules: Sequence[Mapping[str, Any]]
    traffic: Traffic


class Prometheus(pulumi.ComponentResource):
    """Prometheus behind the Service `prometheus`. Another configuration or rule restarts it, without losing figures."""

    def __init__(self, name: str, args: PrometheusArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Prometheus", name, {}, opts)
        child = ResourceOptions(parent=self)
        for target in args.targets:
            metrics_service(
                f"{name}-finds-{target.job}",
                args.namespaces[target.pods.namespace],
                target.pods,
                service_name(target),
                target.server.port,
                child,
            )
        internal_service(f"{name}-service", args.namespace, COMPONENT, contracts.PROMETHEUS_PORT, child)
        allow(f"{name}-traffic", args.namespace, args.traffic, child)
        files = {
            "config": (_CONFIG_FILE, configuration(args.targets, args.domain)),
            "rules": (_RULES_FILE, {"groups": list(args.rules)}),
        }
        maps = {
            volume: ConfigMap(
                f"{name}-{volume}",
                metadata=metadata(args.namespace, COMPONENT),
                data={file: yaml.safe_dump(content, sort_keys=False)},
                opts=child,
            ).metadata.name
            for volume, (file, content) in files.items()
        }
        single_instance(
            f"{name}-server",
            args.namespace,
            COMPONENT,
            {
                **pod(
                    _container(args),
                    volumes=[{"name": volume, "config_map": {"name": of}} for volume, of in maps.items()],
                ),
                # Seconds: it writes its newest figures to the disk.
                "termination_grace_period_seconds": 60,
            },
            port=contracts.PROMETHEUS_PORT,
            storage_class=args.storage_class,
            volumes={"data": args.storage},
            parent=self,
        )
        self.register_outputs({})


def _container(args: PrometheusArgs) -> ContainerArgsDict:
    port = contracts.PROMETHEUS_PORT
    return {
        **container(
            COMPONENT,
            args.image,
            _RESOURCES,
            command=["prometheus"],
            args=[
                f"--config.file={_CONFIG_FOLDER}/{_CONFIG_FILE}",
                f"--storage.tsdb.path={_DATA_FOLDER}/tsdb",
                f"--storage.tsdb.retention.time={args.retention_days}d",
                f"--storage.tsdb.retention.size={int(mebibytes(args.storage) * _BLOCKS_SHARE)}MB",
                f"--web.listen-address=:{port}",
            ],
            env=environment({"GOMEMLIMIT": _SOFT_LIMIT}),
            mounts=[
                {"name": "data", "mount_path": _DATA_FOLDER},
                {"name": "config", "mount_path": _CONFIG_FOLDER, "read_only": True},
                {"name": "rules", "mount_path": RULES_FOLDER, "read_only": True},
            ],
        ),
        "ports": [{"name": COMPONENT, "container_port": port}],
        # It reads its write-ahead log first, for minutes if its pod was killed.
        "startup_probe": http_probe("/-/healthy", port, period=3, failures=100),
        "liveness_probe": http_probe("/-/healthy", port, period=20, failures=6),
        "readiness_probe": http_probe("/-/ready", port, period=5, failures=3),
    }
