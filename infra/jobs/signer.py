"""Whom Vault lets sign: a service account, apart from the Job that uses it, as Vault's role is made before the Job."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ServiceAccount

import contracts
from infra.cluster.pods import metadata

COMPONENT: Final = "signer"


@dataclass(frozen=True, kw_only=True, slots=True)
class SignerAccountArgs:
    """Arguments of `SignerAccount`."""

    namespace: pulumi.Input[str]


class SignerAccount(pulumi.ComponentResource):
    """The service account that Vault's role is bound to; it has no rights in the cluster."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: SignerAccountArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:jobs:SignerAccount", name, {}, opts)
        self.name = ServiceAccount(
            f"{name}-account",
            metadata=metadata(args.namespace, COMPONENT, contracts.SIGNER_SERVICE_ACCOUNT),
            automount_service_account_token=False,
            opts=ResourceOptions(parent=self),
        ).metadata.name
        self.register_outputs({"name": self.name})
