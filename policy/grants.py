"""What the resources of AWS grant, whatever type says it.

Found by form rather than by type: some eighty types of the SDK take an IAM policy document, under names such as
`policy`, `accessPolicies` and `resourcePolicy`. https://www.pulumi.com/registry/packages/aws/api-docs/
"""

from collections.abc import Iterator, Mapping
from typing import Final

from policy.documents import Statement, allowed, documents_in, texts
from policy.known import Value
from policy.resource import Resource

_PREFIX: Final = "aws:"
# What only limits the permissions that somebody has from elsewhere, by type and property. In these `*` is no grant.
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
# Of types that grant without a document, such as aws:lambda/permission:Permission, with those who get it.
_PRINCIPALS: Final = ("principal", "principals", "principalArn", "allowedPrincipals")
_ACTIONS: Final = ("action", "actions")
# With one of these, `*` is whoever is in that organization: https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
_ORGANIZATIONS: Final = ("organizationId", "principalOrgId", "condition")


class _Aws:
    """Every type of AWS."""

    def __contains__(self, type_: object) -> bool:
        return isinstance(type_, str) and type_.startswith(_PREFIX)


AWS: Final = _Aws()


def granting(resource: Resource) -> Iterator[Value]:
    """Yield the properties that may grant something."""
    limits = _LIMITS.get(resource.type, frozenset())
    yield from (value for name, value in resource.properties.items() if name not in limits and name != _BOUNDARY)


def grants(resource: Resource) -> Iterator[Statement]:
    """Yield what a resource allows: statements of its policy documents, and what it says itself."""
    for document in documents_in(list(granting(resource))):
        yield from allowed(document)
    principals = [text for name in _PRINCIPALS for text in texts(resource.get(name))]
    if principals and not any(resource.get(name) for name in _ORGANIZATIONS):
        actions = [text for name in _ACTIONS for text in texts(resource.get(name))]
        yield Statement(label="It", actions=actions, resources=[], principals={"AWS": principals}, inverted=[])
