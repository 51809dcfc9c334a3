"""AWS resources as the rules see them: the permissions that a resource grants, and the account that it is in.

Grants are found by form and not by type: some eighty types of the SDK take an IAM policy document, under names such as
`policy`, `accessPolicies` and `resourcePolicy`. https://www.pulumi.com/registry/packages/aws/api-docs/
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from policy.documents import Statement, allowed, documents_in, statements, texts
from policy.resources import Resource, Value

_PREFIX: Final = "aws:"
# By type, the properties that limit permissions granted elsewhere. A `*` in these grants nothing.
_LIMITS: Final[Mapping[str, frozenset[str]]] = {
    # https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
    "aws:ec2/vpcEndpoint:VpcEndpoint": frozenset({"policy"}),
    "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy": frozenset({"policy"}),
    "aws:odb/network:Network": frozenset(
        {"kmsPolicyDocument", "s3PolicyDocument", "stsPolicyDocument", "managedServices"}
    ),
    # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_authorization_policies.html
    "aws:organizations/policy:Policy": frozenset({"content"}),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": frozenset({"policy"}),
    "aws:emr/studioSessionMapping:StudioSessionMapping": frozenset({"sessionPolicyArn"}),
    "aws:rolesanywhere/profile:Profile": frozenset({"sessionPolicy", "managedPolicyArns"}),
    "aws:transfer/access:Access": frozenset({"policy"}),
    "aws:transfer/user:User": frozenset({"policy"}),
    # https://docs.aws.amazon.com/chatbot/latest/adminguide/understanding-permissions.html
    "aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration": frozenset({"guardrailPolicyArns"}),
    "aws:chatbot/teamsChannelConfiguration:TeamsChannelConfiguration": frozenset({"guardrailPolicyArns"}),
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
    "aws:cloudformation/stack:Stack": frozenset({"policyBody"}),
}
_BOUNDARY: Final = "permissionsBoundary"
# The properties of types that grant without a document, such as aws:lambda/permission:Permission.
_PRINCIPALS: Final = ("principal", "principals", "principalArn", "allowedPrincipals")
_ACTIONS: Final = ("action", "actions")
# With one of these, `*` means everyone in that organization:
# https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
_ORGANIZATIONS: Final = ("organizationId", "principalOrgId", "condition")

_ACCOUNT_ID: Final = re.compile(r"\d{12}")
# The two ways to name an account as a principal, its root or its ID:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-accounts
_ACCOUNT: Final = re.compile(r"(?:arn:[\w-]+:iam::)?(\d{12})(?::root)?")
_ACCOUNT_FIELD: Final = 4


class _Types:
    """Every AWS type."""

    def __contains__(self, type_: object) -> bool:
        return isinstance(type_, str) and type_.startswith(_PREFIX)


TYPES: Final = _Types()


def granting(resource: Resource) -> Iterator[Value]:
    """Yield the properties that may grant something."""
    limits = _LIMITS.get(resource.type, frozenset())
    yield from (value for name, value in resource.properties.items() if name not in limits and name != _BOUNDARY)


def grants(resource: Resource) -> Iterator[Statement]:
    """Yield the permissions that a resource grants, in policy documents or in properties of its type."""
    for document in documents_in(list(granting(resource))):
        yield from allowed(document)
    principals = [text for name in _PRINCIPALS for text in texts(resource.get(name))]
    if principals and not any(resource.get(name) for name in _ORGANIZATIONS):
        actions = [text for name in _ACTIONS for text in texts(resource.get(name))]
        yield Statement(label="It", actions=actions, resources=[], principals={"AWS": principals}, inverted=[])


def account_of(principal: str) -> str:
    """Return the ID of the account that a principal stands for; an empty text for any other principal."""
    found = _ACCOUNT.fullmatch(principal)
    return found[1] if found else ""


def own_accounts(resource: Resource, stack: Iterable[Resource]) -> set[str]:
    """Return the accounts that a resource may be in; an empty set if neither its provider nor the stack names one."""
    allowed_ids = set(_account_ids(resource.provider.get("allowedAccountIds")))
    return allowed_ids or {account for other in stack for account in _named_by(other)}


def _named_by(resource: Resource) -> Iterator[str]:
    """Yield the account of a resource, from ARNs in the same account: its own, its boundary and its OIDC provider."""
    if resource.type in TYPES:
        federated = [
            principal
            for statement in statements(resource.get("assumeRolePolicy"))
            for principal in statement.principals.get("Federated", [])
        ]
        for arn in [*texts(resource.get("arn")), *texts(resource.get(_BOUNDARY)), *federated]:
            yield from (field for field in arn.split(":")[_ACCOUNT_FIELD:][:1] if _ACCOUNT_ID.fullmatch(field))


def _account_ids(value: Value) -> list[str]:
    """Return the account IDs in a property of a provider. The engine passes lists on as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    return [text for text in texts(value) if _ACCOUNT_ID.fullmatch(text)]
