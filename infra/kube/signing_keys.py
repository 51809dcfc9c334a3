"""The public keys that verify models, in a ConfigMap that pods mount as a folder.

A changed key needs no new pods: the kubelet writes it into the mounted folder within its sync period.
"""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap, PodSpecArgsDict, VolumeArgsDict

import contracts
from infra.kube.pod_access import mounted
from infra.kube.pods import metadata

_COMPONENT: Final = contracts.SIGNING_KEYS_CONFIG_MAP


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKeysArgs:
    """Arguments of `SigningKeys`: the namespace, and the public keys as PEM."""

    namespace: pulumi.Input[str]
    pem: pulumi.Input[str]


class SigningKeys(pulumi.ComponentResource):
    """The ConfigMap `signing-keys`; its provider must update ConfigMaps in place, as the name is always the same."""

    def __init__(self, name: str, args: SigningKeysArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:SigningKeys", name, {}, opts)
        ConfigMap(
            f"{name}-pem",
            metadata=metadata(args.namespace, _COMPONENT, contracts.SIGNING_KEYS_CONFIG_MAP),
            data={contracts.SIGNING_KEYS_FILE: args.pem},
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({})


def with_keys(spec: PodSpecArgsDict) -> PodSpecArgsDict:
    """Return the pod `spec` with the keys in a folder: a single file, mounted by `subPath`, would never change."""
    volume: VolumeArgsDict = {
        "name": contracts.SIGNING_KEYS_CONFIG_MAP,
        "config_map": {"name": contracts.SIGNING_KEYS_CONFIG_MAP},
    }
    return mounted(spec, volume, contracts.SIGNING_KEYS_FOLDER)
