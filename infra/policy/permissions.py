"""What IAM policies allow: actions and resources by their names, to principals by their names."""

import re
from collections.abc import Iterator
from typing import Any, Final

from infra.policy.buckets import BUCKETS
from infra.policy.documents import Statement, allowed, texts
from infra.policy.known import known_items
from infra.policy.resource import Resource
from infra.policy.rule import each

_ROLE: Final = "aws:iam/role:Role"
_IDENTITIES: Final = (
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/policy:Policy",
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/groupPolicy:GroupPolicy",
)
_KEYS: Final = ("aws:kms/key:Key", "aws:kms/keyPolicy:KeyPolicy")
_RESOURCES: Final = (
    # By their argument `policy`, which does what a BucketPolicy does.
    *BUCKETS,
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy",
    "aws:secretsmanager/secretPolicy:SecretPolicy",
)
_ATTACHMENTS: Final = (
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
)
# Actions for which AWS knows no resource:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html
_WITHOUT_RESOURCE: Final = frozenset({"ecr:GetAuthorizationToken", "sts:GetCallerIdentity"})
_WILD: Final = re.compile(r"[*?]")
_ARN_FIELDS: Final = 6


def _documents(resource: Resource) -> Iterator[Any]:
    if resource.type == _ROLE:
        yield resource.get("assumeRolePolicy")
        yield from (policy.get("policy") for policy in known_items(resource.get("inlinePolicies")))
    else:
        yield resource.get("policy")


def _allowed(resource: Resource) -> Iterator[Statement]:
    for document in _documents(resource):
        yield from (statement for statement in allowed(document) if not _hands_a_key_to_iam(resource, statement))


def _hands_a_key_to_iam(resource: Resource, statement: Statement) -> bool:
    """Tell whether this is a key policy's first statement as AWS documents it: by itself it lets nobody in.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    principals = [principal for each in statement.principals.values() for principal in each]
    return (
        resource.type in _KEYS
        and set(statement.principals) <= {"AWS"}
        and all(principal.endswith(":root") and "*" not in principal for principal in principals)
    )


def _actions(resource: Resource) -> Iterator[str]:
    for statement in _allowed(resource):
        if wild := [action for action in statement.actions if _WILD.search(action)]:
            yield f"{statement.label} allows {', '.join(wild)}."
        if "NotAction" in statement.inverted:
            yield f"{statement.label} allows all but its NotAction."


def _resources(resource: Resource) -> Iterator[str]:
    for statement in _allowed(resource):
        if resource.type in _KEYS or _WITHOUT_RESOURCE.issuperset(statement.actions):
            # In a key's policy `*` is the key itself.
            continue
        if wild := [arn for arn in statement.resources if _is_wild(arn)]:
            yield f"{statement.label} allows on {', '.join(wild)}."
        if "NotResource" in statement.inverted:
            yield f"{statement.label} allows on all but its NotResource."


def _is_wild(arn: str) -> bool:
    """Tell whether an ARN leaves open which resource it is; the end of a name, or what is below it, may be open."""
    *place, resource = arn.split(":", _ARN_FIELDS - 1)
    # A bucket's ARN starts with its name, others with a type, as in role/NAME and secret:NAME.
    first, second, *_ = [*re.split("[:/]", resource), ""]
    if place[2:3] == ["s3"]:
        return bool(_WILD.search(first) or any(map(_WILD.search, place)))
    return any(map(_WILD.search, place)) or any(_WILD.match(name) for name in (first, second))


def _principals(resource: Resource) -> Iterator[str]:
    document = resource.get("assumeRolePolicy" if resource.type == _ROLE else "policy")
    for statement in allowed(document):
        if statement.is_for_anybody() or "NotPrincipal" in statement.inverted:
            yield f"{statement.label} lets in anybody."


def _attachment(attachment: Resource) -> Iterator[str]:
    for arn in [*texts(attachment.get("policyArn")), *texts(attachment.get("managedPolicyArns"))]:
        if "::aws:policy/" in arn and "/service-role/" not in arn:
            yield f"It has {arn}."


RULES: Final = (
    each(
        "iam-actions-are-named",
        "A policy allows actions by their full names. Replace each `*` and NotAction by the actions that are called. "
        "(A key policy's documented statement for the account's root, which lets IAM decide, is let pass.)",
        (*_IDENTITIES, *_KEYS, *_RESOURCES, _ROLE),
        _actions,
    ),
    each(
        "iam-resources-are-named",
        "A policy allows actions on resources that it names. Replace `*` and NotResource by ARNs; a `*` may stand for "
        "what is below a named bucket, repository or prefix. (A key policy's `*` is the key itself.)",
        (*_IDENTITIES, *_KEYS, *_RESOURCES, _ROLE),
        _resources,
    ),
    each(
        "no-public-principal",
        "A policy lets in principals by their names. Replace the principal `*`, or NotPrincipal, in what it allows.",
        (*_KEYS, *_RESOURCES, _ROLE),
        _principals,
    ),
    each(
        "iam-policies-are-own",
        "Permissions are those of this program. Replace the policy that AWS manages, which grants far more than is "
        "called, by a RolePolicy; the service roles that AWS documents may stay.",
        (*_ATTACHMENTS, _ROLE),
        _attachment,
    ),
)
