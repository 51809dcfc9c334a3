"""Alertmanager: one pod that groups the alerts, silences them on demand and sends them to their receivers."""

from dataclasses import dataclass
from typing import Final

import pulumi
import yaml
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap, ContainerArgsDict, VolumeArgsDict, VolumeProjectionArgsDict

import contracts
from infra.capabilities.monitoring.alertmanager_config import SECRETS_FOLDER, configuration
from infra.capabilities.monitoring.settings import Receivers
from infra.kube.network_policy import allow
from infra.kube.pods import Resources, container, http_probe, metadata, pod
from infra.kube.services import internal_service
from infra.kube.stateful import single_instance
from infra.limits.flows import ALERTMANAGER_PODS, Traffic

COMPONENT: Final = ALERTMANAGER_PODS.component

_RESOURCES: Final = Resources(cpu="5m", memory="32Mi", cpu_limit="500m", memory_limit="128Mi")
_CONFIG_FOLDER: Final = "/etc/alertmanager/config"
_CONFIG_FILE: Final = "alertmanager.yaml"
_DATA_FOLDER: Final = "/alertmanager"
# Silences, and what was already sent.
_STORAGE: Final = "1Gi"


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertmanagerArgs:
    """Arguments of `Alertmanager`; the Secrets that `receivers` name are in its namespace."""

    namespace: pulumi.Input[str]
    image: str
    storage_class: str
    receivers: Receivers
    traffic: Traffic


class Alertmanager(pulumi.ComponentResource):
    """Alertmanager behind the Service `alertmanager`; silences outlive its pod."""

    def __init__(self, name: str, args: AlertmanagerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Alertmanager", name, {}, opts)
        child = ResourceOptions(parent=self)
        internal_service(f"{name}-service", args.namespace, COMPONENT, contracts.ALERTMANAGER_PORT, child)
        allow(f"{name}-traffic", args.namespace, args.traffic, child)
        config = ConfigMap(
            f"{name}-config",
            metadata=metadata(args.namespace, COMPONENT),
            data={_CONFIG_FILE: yaml.safe_dump(configuration(args.receivers), sort_keys=False)},
            opts=child,
        )
        single_instance(
            f"{name}-server",
            args.namespace,
            COMPONENT,
            pod(
                _container(args.image),
                volumes=[
                    {"name": "config", "config_map": {"name": config.metadata.name}},
                    _secrets(args.receivers),
                ],
            ),
            port=contracts.ALERTMANAGER_PORT,
            storage_class=args.storage_class,
            volumes={"data": _STORAGE},
            parent=self,
        )
        self.register_outputs({})


def _secrets(receivers: Receivers) -> VolumeArgsDict:
    """Return the volume with a file for each receiver that has a secret.

    The stack makes the namespace and an administrator the Secrets, so Alertmanager starts without them.
    """
    references = {kind: each.reference for kind, each in receivers.all().items()}
    sources: list[VolumeProjectionArgsDict] = [
        {"secret": {"name": reference[0], "items": [{"key": reference[1], "path": kind}], "optional": True}}
        for kind, reference in references.items()
        if reference is not None
    ]
    # A projected volume may have no source, and is then an empty folder.
    return {"name": "secrets", "projected": {"sources": sources}}


def _container(image: str) -> ContainerArgsDict:
    port = contracts.ALERTMANAGER_PORT
    return {
        **container(
            COMPONENT,
            image,
            _RESOURCES,
            command=["prometheus-alertmanager"],
            args=[
                f"--config.file={_CONFIG_FOLDER}/{_CONFIG_FILE}",
                f"--storage.path={_DATA_FOLDER}",
                f"--web.listen-address=:{port}",
                # It has no peers.
                "--cluster.listen-address=",
            ],
            mounts=[
                {"name": "data", "mount_path": _DATA_FOLDER},
                {"name": "config", "mount_path": _CONFIG_FOLDER, "read_only": True},
                {"name": "secrets", "mount_path": SECRETS_FOLDER, "read_only": True},
            ],
        ),
        "ports": [{"name": COMPONENT, "container_port": port}],
        "startup_probe": http_probe("/-/healthy", port, period=2, failures=30),
        "liveness_probe": http_probe("/-/healthy", port, period=20, failures=6),
        "readiness_probe": http_probe("/-/ready", port, period=5, failures=3),
    }
