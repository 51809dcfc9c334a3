"""Who may sign, at a Vault outside of the cluster: the tokens of one service account, by the cluster's issuer.

Vault reads the issuer's public keys, and so needs neither an account in the cluster nor a way to its API server.
"""

from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions
from pulumi_vault import Policy
from pulumi_vault.jwt import AuthBackend, AuthBackendRole

import contracts
from infra.vault.auth import TOKEN_TTL, signer_policy


@dataclass(frozen=True, kw_only=True, slots=True)
class SignerTrustArgs:
    """Arguments of `SignerTrust`: the key, the service account that may use it, and the issuer of its tokens.

    `auth_mount` is the path of the auth method that is made, and `role` the name of the policy, in a Vault of many.
    """

    mount: pulumi.Input[str]
    key: pulumi.Input[str]
    auth_mount: str
    role: str
    issuer: str
    subject: str


class SignerTrust(pulumi.ComponentResource):
    """The policy, the auth method and the role with which a signer's pod logs in."""

    role: pulumi.Output[str]

    def __init__(self, name: str, args: SignerTrustArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:vault:SignerTrust", name, {}, opts)
        child = ResourceOptions(parent=self)
        document = pulumi.Output.all(args.mount, args.key).apply(lambda names: signer_policy(*names))
        policy = Policy(f"{name}-policy", name=args.role, policy=document, opts=child)
        method = AuthBackend(
            f"{name}-method",
            type="jwt",
            path=args.auth_mount,
            description="Service accounts of the cluster that signs",
            oidc_discovery_url=args.issuer,
            bound_issuer=args.issuer,
            opts=child,
        )
        self.role = AuthBackendRole(
            f"{name}-role",
            backend=_path(method),
            role_name=contracts.SIGNER_ROLE,
            role_type="jwt",
            user_claim="sub",
            bound_audiences=[contracts.VAULT_TOKEN_AUDIENCE],
            bound_subject=args.subject,
            token_policies=[policy.name],
            # The policy above, and not what `default` lets every token do.
            token_no_default_policy=True,
            token_ttl=TOKEN_TTL,
            token_max_ttl=TOKEN_TTL,
            opts=child,
        ).role_name
        self.register_outputs({"role": self.role})


def _path(method: AuthBackend) -> pulumi.Output[str]:
    # The SDK's type allows for a method without a path, which this one isn't.
    return method.path.apply(lambda path: path or "")
