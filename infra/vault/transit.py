"""The signing key: in Vault's transit engine, so that it signs without ever leaving Vault."""

from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions
from pulumi_vault import Mount
from pulumi_vault.transit import SecretBackendKey

import contracts


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKeyArgs:
    """Arguments of `SigningKey`: whether destroying the stack may delete the key, and with it every proof of origin.

    `mount` is the path of the engine, which no other stack may use, and `key` the key's name in it.
    """

    deletion_allowed: bool = False
    mount: str = contracts.TRANSIT_MOUNT
    key: str = contracts.TRANSIT_KEY


class SigningKey(pulumi.ComponentResource):
    """The ECDSA P-256 key that signs releases, which can be neither exported nor, by default, deleted."""

    mount: pulumi.Output[str]
    key: pulumi.Output[str]

    def __init__(self, name: str, args: SigningKeyArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:vault:SigningKey", name, {}, opts)
        # Unmounting the engine deletes its keys whatever they allow, so Pulumi must refuse both.
        child = ResourceOptions(parent=self, protect=not args.deletion_allowed)
        engine = Mount(
            f"{name}-engine",
            path=args.mount,
            type="transit",
            description="Keys that sign model releases",
            opts=child,
        )
        self.mount = engine.path
        self.key = SecretBackendKey(
            f"{name}-key",
            backend=engine.path,
            name=args.key,
            type="ecdsa-p256",
            exportable=False,
            allow_plaintext_backup=False,
            deletion_allowed=args.deletion_allowed,
            opts=child,
        ).name
        self.register_outputs({"mount": self.mount, "key": self.key})
