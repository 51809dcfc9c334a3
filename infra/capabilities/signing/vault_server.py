"""A Vault server in the cluster, for environments without an external Vault.

It unseals itself with a key on its own volume, so reading the volume means reading the secrets. Use it only on a single
machine; a production environment needs an external Vault.
"""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.apps.v1 import StatefulSet
from pulumi_kubernetes.core.v1 import ContainerArgsDict, Secret, ServiceAccount
from pulumi_kubernetes.rbac.v1 import ClusterRoleBinding
from pulumi_random import RandomPassword

import contracts
from infra.kube.network_policy import allow
from infra.kube.pods import Resources, container, from_secret, http_probe, labels, metadata, pod
from infra.kube.services import internal_service, url
from infra.kube.stateful import single_instance
from infra.limits.flows import VAULT_PODS, Traffic

COMPONENT: Final = VAULT_PODS.component

_RESOURCES: Final = Resources(cpu="25m", memory="128Mi", cpu_limit="1", memory_limit="512Mi")
# 200 only if the server is initialised, unsealed and active:
# https://developer.hashicorp.com/vault/api-docs/system/health
_READY_PATH: Final = "/v1/sys/health"
# Also 200 on standby, but not when sealed: the liveness probe restarts a sealed server, and the restart unseals it.
_ALIVE_PATH: Final = "/v1/sys/health?standbyok=true"


@dataclass(frozen=True, kw_only=True, slots=True)
class VaultServerArgs:
    """Arguments of `VaultServer`."""

    namespace: pulumi.Input[str]
    image: str
    storage: str
    storage_class: str
    traffic: Traffic


class VaultServer(pulumi.ComponentResource):
    """A Vault server at `url`, with `root_token` as its root token."""

    url: pulumi.Output[str]
    root_token: pulumi.Output[str]

    def __init__(self, name: str, args: VaultServerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:vault:VaultServer", name, {}, opts)
        child = ResourceOptions(parent=self)
        self.root_token = RandomPassword(f"{name}-root-token", length=32, special=False, opts=child).result
        service = internal_service(f"{name}-service", args.namespace, COMPONENT, contracts.VAULT_PORT, child)
        self.url = url(service, contracts.VAULT_PORT)
        allow(f"{name}-traffic", args.namespace, args.traffic, child)
        self._server(name, args, self._reviewer(name, args))
        self.register_outputs({"url": self.url})

    def _reviewer(self, name: str, args: VaultServerArgs) -> ServiceAccount:
        """Create the service account with which Vault asks the API server to review the tokens of pods."""
        account = ServiceAccount(
            f"{name}-account",
            metadata=metadata(args.namespace, COMPONENT, COMPONENT),
            automount_service_account_token=False,
            opts=ResourceOptions(parent=self),
        )
        ClusterRoleBinding(
            f"{name}-token-review",
            metadata={"labels": labels(COMPONENT)},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
            subjects=[{"kind": "ServiceAccount", "name": account.metadata.name, "namespace": args.namespace}],
            opts=ResourceOptions(parent=self),
        )
        return account

    def _server(self, name: str, args: VaultServerArgs, account: ServiceAccount) -> StatefulSet:
        token = Secret(
            f"{name}-root",
            metadata=metadata(args.namespace, COMPONENT),
            string_data={"AEGIS_VAULT_ROOT_TOKEN": self.root_token},
            opts=ResourceOptions(parent=self),
        )
        return single_instance(
            f"{name}-server",
            args.namespace,
            COMPONENT,
            pod(
                _container(args.image, token.metadata.name),
                service_account=account.metadata.name,
                mount_token=True,
            ),
            port=contracts.VAULT_PORT,
            storage_class=args.storage_class,
            volumes={"data": args.storage},
            parent=self,
        )


def _container(image: str, token: pulumi.Input[str]) -> ContainerArgsDict:
    return {
        **container(
            COMPONENT,
            image,
            _RESOURCES,
            env_from=[from_secret(token)],
            mounts=[{"name": "data", "mount_path": "/vault/data"}],
        ),
        "ports": [{"name": COMPONENT, "container_port": contracts.VAULT_PORT}],
        "startup_probe": http_probe(_ALIVE_PATH, contracts.VAULT_PORT, period=3, failures=60),
        "readiness_probe": http_probe(_READY_PATH, contracts.VAULT_PORT, period=5, failures=3),
        "liveness_probe": http_probe(_ALIVE_PATH, contracts.VAULT_PORT, period=20, failures=6),
    }
