"""The signing key, in Vault's transit engine: it signs without ever leaving Vault."""

from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions
from pulumi_vault import Mount
from pulumi_vault.transit import SecretBackendKey

import contracts


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKeyArgs:
    """Arguments of `SigningKey`; with `deletion_allowed` a destroy of the stack deletes the key for good.

    `mount` is the path of the transit engine, which no other stack may use, and `key` the name of the key in it.
    """

    deletion_allowed: bool = False
    mount: str = contracts.TRANSIT_MOUNT
    key: str = contracts.TRANSIT_KEY


class SigningKey(pulumi.ComponentResource):
    """The ECDSA P-256 key that signs releases. It can't be exported or, by default, deleted."""

    mount: pulumi.Output[str]
    key: pulumi.Output[str]

    def __init__(self, name: str, args: SigningKeyArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:vault:SigningKey", name, {}, opts)
        # Unmounting the engine deletes its keys even if they don't allow deletion, so both are protected.
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
