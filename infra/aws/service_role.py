"""IAM roles for service accounts (IRSA): a pod exchanges a token from its cluster for credentials of one hour.

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

# The shortest that IAM allows. The AWS SDKs renew the credentials, with the token that the kubelet renews.
_SESSION_SECONDS: Final = 3600
_SCHEME: Final = "https://"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceRoleArgs:
    """Arguments of `ServiceRole`: the service account whose tokens it trusts, and the policy of the role.

    Raises:
        ValueError: A name isn't valid in Kubernetes, or the issuer or the provider's ARN is wrong.
    """

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
    """The IAM role of one service account. `arn` is known before the role is made.

    Pods must depend on the whole component: AWS refuses the calls of a pod that starts before the role has its policy.
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
        # An inline policy can't be attached to another role, and is deleted with this one.
        iam.RolePolicy(
            f"{name}-policy",
            name="permissions",
            role=self.role.name,
            policy=pulumi.Output.json_dumps(args.policy),
            opts=child,
        )
        self.register_outputs({"arn": self.arn})


def trust(issuer: str, oidc_provider_arn: str, namespace: str, service_account: str) -> Document:
    """Return the trust policy of a role: it accepts tokens of `issuer` for one service account and for AWS STS."""
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
