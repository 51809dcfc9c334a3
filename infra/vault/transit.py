"""The signing key, in Vault's transit engine: it signs without ever leaving Vault."""

from collections.abc import Mapping, Sequence
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
    Signatures of versions before `least_version` don't count.
    """

    deletion_allowed: bool = False
    mount: str = contracts.TRANSIT_MOUNT
    key: str = contracts.TRANSIT_KEY
    least_version: int = 1


class SigningKey(pulumi.ComponentResource):
    """The ECDSA P-256 key that signs releases. It can't be exported or, by default, deleted.

    `trusted_keys` are the public keys, as PEM, of the versions whose signatures count.
    """

    mount: pulumi.Output[str]
    key: pulumi.Output[str]
    trusted_keys: pulumi.Output[str]

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
        key = SecretBackendKey(
            f"{name}-key",
            backend=engine.path,
            name=args.key,
            type="ecdsa-p256",
            exportable=False,
            allow_plaintext_backup=False,
            deletion_allowed=args.deletion_allowed,
            # Vault neither verifies with older versions nor tells their public keys. 1 is its default.
            min_decryption_version=args.least_version if args.least_version > 1 else None,
            opts=child,
        )
        self.key = key.name
        self.trusted_keys = key.keys.apply(_pem)
        self.register_outputs({"mount": self.mount, "key": self.key, "trusted_keys": self.trusted_keys})


def _pem(versions: Sequence[Mapping[str, str]]) -> str:
    """Return the public keys of a key's versions in one order, since the provider gives them in any order."""
    return "".join(sorted(f"{version['public_key'].strip()}\n" for version in versions))
