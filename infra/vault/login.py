"""The login of pods that sign to Vault: the auth method, its roles, and the policy that allows signing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi import ResourceOptions
from pulumi_vault import AuthBackend, Policy
from pulumi_vault.jwt import AuthBackend as JwtAuthBackend
from pulumi_vault.jwt import AuthBackendRole as JwtRole
from pulumi_vault.kubernetes import AuthBackendConfig
from pulumi_vault.kubernetes import AuthBackendRole as KubernetesRole

import contracts
from infra.limits.grants import Workload
from infra.limits.kubernetes_names import subject

# Seconds: a release signs within minutes after its login, and the reconciler logs in again.
_TOKEN_TTL: Final = 900


@dataclass(frozen=True, kw_only=True, slots=True)
class SignerAccessArgs:
    """Arguments of `SignerAccess`: the key, the workloads that may use it, and the URL of the API server."""

    mount: pulumi.Input[str]
    key: pulumi.Input[str]
    signers: Sequence[Workload]
    kubernetes_host: str
    auth_mount: str = contracts.KUBERNETES_AUTH_MOUNT


class SignerAccess(pulumi.ComponentResource):
    """The login to a Vault server in the cluster, which has the API server review the pod's token.

    `roles` are by the signers' names for them.
    """

    roles: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: SignerAccessArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:vault:SignerAccess", name, {}, opts)
        child = ResourceOptions(parent=self)
        policy = _policy(name, contracts.SIGNER_ROLE, args.mount, args.key, child)
        method = AuthBackend(f"{name}-method", type="kubernetes", path=args.auth_mount, opts=child)
        # Vault calls the API server with the service account and the cluster CA that are mounted into its own pod.
        AuthBackendConfig(f"{name}-cluster", backend=method.path, kubernetes_host=args.kubernetes_host, opts=child)
        self.roles = {
            role: KubernetesRole(
                _role_resource(name, role),
                backend=method.path,
                role_name=role,
                bound_service_account_names=[signer.service_account],
                bound_service_account_namespaces=[signer.namespace],
                audience=contracts.VAULT_TOKEN_AUDIENCE,
                **_token(policy),
                opts=child,
            ).role_name
            for role, signer in _by_role(args.signers).items()
        }
        self.register_outputs({"roles": self.roles})


@dataclass(frozen=True, kw_only=True, slots=True)
class SignerTrustArgs:
    """Arguments of `SignerTrust`: the key, the workloads that may use it, and the issuer of their tokens.

    The Vault server may be shared: `auth_mount` is the path of the auth method to make, and `policy` the name of the
    policy.
    """

    mount: pulumi.Input[str]
    key: pulumi.Input[str]
    signers: Sequence[Workload]
    auth_mount: str
    policy: str
    issuer: str


class SignerTrust(pulumi.ComponentResource):
    """The login to a Vault server outside the cluster, which verifies pods' tokens with the issuer's public keys.

    Such a Vault server needs neither a service account in the cluster nor a route to the API server. `roles` are by
    the signers' names for them.
    """

    roles: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: SignerTrustArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:vault:SignerTrust", name, {}, opts)
        child = ResourceOptions(parent=self)
        policy = _policy(name, args.policy, args.mount, args.key, child)
        method = JwtAuthBackend(
            f"{name}-method",
            type="jwt",
            path=args.auth_mount,
            description="Service accounts of the cluster that signs",
            oidc_discovery_url=args.issuer,
            bound_issuer=args.issuer,
            opts=child,
        )
        self.roles = {
            role: JwtRole(
                _role_resource(name, role),
                # The SDK's type allows None, but this method has a path.
                backend=method.path.apply(lambda path: path or ""),
                role_name=role,
                role_type="jwt",
                user_claim="sub",
                bound_audiences=[contracts.VAULT_TOKEN_AUDIENCE],
                bound_subject=subject(signer.namespace, signer.service_account),
                **_token(policy),
                opts=child,
            ).role_name
            for role, signer in _by_role(args.signers).items()
        }
        self.register_outputs({"roles": self.roles})


def signer_policy(mount: str, key: str) -> str:
    """Return the Vault policy of a signer: sign prehashed digests with `key`, and read its public half.

    It also reads its own token, to name the signer in signed decisions.
    """
    rules = {
        f"{mount}/sign/{key}": "update",
        # Vault also accepts the hash algorithm in the path.
        f"{mount}/sign/{key}/sha2-256": "update",
        f"{mount}/keys/{key}": "read",
        "auth/token/lookup-self": "read",
    }
    return "\n".join(f'path "{path}" {{\n  capabilities = ["{capability}"]\n}}' for path, capability in rules.items())


def _by_role(signers: Sequence[Workload]) -> dict[str, Workload]:
    return {signer.vault_role: signer for signer in signers if signer.vault_role is not None}


def _role_resource(name: str, role: str) -> str:
    # Another resource of the same role would first be created and then deleted, and the role with it.
    return f"{name}-role" if role == contracts.SIGNER_ROLE else f"{name}-{role}-role"


def _policy(
    name: str, policy_name: str, mount: pulumi.Input[str], key: pulumi.Input[str], opts: ResourceOptions
) -> Policy:
    document = pulumi.Output.all(mount, key).apply(lambda names: signer_policy(*names))
    return Policy(f"{name}-policy", name=policy_name, policy=document, opts=opts)


def _token(policy: Policy) -> dict[str, Any]:
    """Return the arguments for the tokens of a login: only `policy`, without `default`, and short-lived."""
    return {
        "token_policies": [policy.name],
        "token_no_default_policy": True,
        "token_ttl": _TOKEN_TTL,
        "token_max_ttl": _TOKEN_TTL,
    }
