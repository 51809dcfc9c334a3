"""IAM roles for service accounts (IRSA): a pod's token, signed by its cluster, is exchanged for an hour's credentials.

https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import iam

import contracts
from infra.limits.account import Account
from infra.limits.kubernetes_names import subject
from infra.limits.statements import Document, document

# The shortest that IAM allows; the AWS SDKs ask again, with the token that kubelet has renewed by then.
_SESSION_SECONDS: Final = 3600
_SCHEME: Final = "https://"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceRoleArgs:
    """Arguments of `ServiceRole`: whose tokens it trusts, and the policy document of what they may do."""

    account: Account
    issuer: str
    oidc_provider_arn: str
    namespace: str
    service_account: str
    policy: pulumi.Input[Mapping[str, Any]]

    def __post_init__(self) -> None:
        subject(self.namespace, self.service_account)
        if not self.issuer.startswith(_SCHEME):
            raise ValueError(f"issuer must be an https URL, got {self.issuer!r}.")
        if not self.oidc_provider_arn.endswith(f":oidc-provider/{self.issuer.removeprefix(_SCHEME)}"):
            raise ValueError(
                f"oidc_provider_arn must be the provider of the issuer {self.issuer}, got {self.oidc_provider_arn!r}."
            )


class ServiceRole(pulumi.ComponentResource):
    """The role of one service account; `arn` is known before the role is made.

    A pod that starts before the whole component stands would be refused: let it depend on the component.
    """

    arn: str
    role: iam.Role

    def __init__(self, name: str, args: ServiceRoleArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:aws:ServiceRole", name, {}, opts)
        child = ResourceOptions(parent=self)
        account = args.account
        role_name = account.role_name(f"{args.namespace}-{args.service_account}")
        self.arn = account.global_arn("iam", f"role/{role_name}")
        self.role = iam.Role(
            f"{name}-role",
            name=role_name,
            description=f"What the service account {args.namespace}/{args.service_account} may do in AWS",
            assume_role_policy=pulumi.Output.json_dumps(
                trust(args.issuer, args.oidc_provider_arn, args.namespace, args.service_account)
            ),
            max_session_duration=_SESSION_SECONDS,
            permissions_boundary=account.permissions_boundary,
            tags=account.tags,
            opts=child,
        )
        # Inline: it is this role's alone, can't be attached to another, and goes with it.
        iam.RolePolicy(
            f"{name}-policy",
            name="permissions",
            role=self.role.name,
            policy=pulumi.Output.json_dumps(args.policy),
            opts=child,
        )
        self.register_outputs({"arn": self.arn})


def trust(issuer: str, oidc_provider_arn: str, namespace: str, service_account: str) -> Document:
    """Return the trust policy of a role: tokens of this issuer for this service account, made for AWS STS."""
    claims = issuer.removeprefix(_SCHEME)
    return document(
        {
            "Sid": "ServiceAccount",
            "Effect": "Allow",
            "Principal": {"Federated": oidc_provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{claims}:sub": subject(namespace, service_account),
                    f"{claims}:aud": contracts.AWS_TOKEN_AUDIENCE,
                }
            },
        }
    )
