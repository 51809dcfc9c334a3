"""Who may sign: the pods of one service account, through Vault's Kubernetes auth, and nothing but sign."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_vault import AuthBackend, Policy
from pulumi_vault.kubernetes import AuthBackendConfig, AuthBackendRole

import contracts

# Seconds: a release signs within minutes of its login.
TOKEN_TTL: Final = 900


@dataclass(frozen=True, kw_only=True, slots=True)
class SignerAccessArgs:
    """Arguments of `SignerAccess`: the key, the service account that may use it, and the cluster that knows it."""

    mount: pulumi.Input[str]
    key: pulumi.Input[str]
    service_account: pulumi.Input[str]
    namespace: pulumi.Input[str]
    kubernetes_host: str
    auth_mount: str = contracts.KUBERNETES_AUTH_MOUNT


class SignerAccess(pulumi.ComponentResource):
    """The policy, the auth method and the role with which a signer's pod logs in."""

    role: pulumi.Output[str]

    def __init__(self, name: str, args: SignerAccessArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:vault:SignerAccess", name, {}, opts)
        child = ResourceOptions(parent=self)
        document = pulumi.Output.all(args.mount, args.key).apply(lambda names: signer_policy(*names))
        policy = Policy(f"{name}-policy", name=contracts.SIGNER_ROLE, policy=document, opts=child)
        method = AuthBackend(f"{name}-method", type="kubernetes", path=args.auth_mount, opts=child)
        # Vault reviews tokens with its own pod's account and the cluster's CA, both mounted into it.
        AuthBackendConfig(f"{name}-cluster", backend=method.path, kubernetes_host=args.kubernetes_host, opts=child)
        self.role = AuthBackendRole(
            f"{name}-role",
            backend=method.path,
            role_name=contracts.SIGNER_ROLE,
            bound_service_account_names=[args.service_account],
            bound_service_account_namespaces=[args.namespace],
            audience=contracts.VAULT_TOKEN_AUDIENCE,
            token_policies=[policy.name],
            # The policy above, and not what `default` lets every token do.
            token_no_default_policy=True,
            token_ttl=TOKEN_TTL,
            token_max_ttl=TOKEN_TTL,
            opts=child,
        ).role_name
        self.register_outputs({"role": self.role})


def signer_policy(mount: str, key: str) -> str:
    """Return the Vault policy of a signer: sign prehashed digests with `key`, and read its public half."""
    rules = {
        f"{mount}/sign/{key}": "update",
        # The hash may also stand in the path.
        f"{mount}/sign/{key}/sha2-256": "update",
        f"{mount}/keys/{key}": "read",
    }
    return "\n".join(f'path "{path}" {{\n  capabilities = ["{capability}"]\n}}' for path, capability in rules.items())
