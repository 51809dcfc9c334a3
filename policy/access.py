"""Rules about IAM: policies name actions, resources and principals, and roles have exact trust and a boundary."""

import re
from collections.abc import Iterator
from typing import Final

from pulumi_policy import PolicyConfigSchema

from policy import aws
from policy.aws import account_of, granting, grants, own_accounts
from policy.documents import Statement, allowed, documents_in, texts
from policy.resources import UNKNOWN, Resource, Value, differs, dig
from policy.rule import Stack, each, together

# In a key policy, `*` can only mean the key itself:
# https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
_KEYS: Final = (
    "aws:kms/key:Key",
    "aws:kms/keyPolicy:KeyPolicy",
    "aws:kms/externalKey:ExternalKey",
    "aws:kms/replicaKey:ReplicaKey",
    "aws:kms/replicaExternalKey:ReplicaExternalKey",
)
# The types whose policy can only mean their own resource by `*`.
_THEMSELVES: Final = (
    *_KEYS,
    # https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html
    "aws:backup/vaultPolicy:VaultPolicy",
    # https://docs.aws.amazon.com/OAM/latest/APIReference/API_PutSinkPolicy.html
    "aws:oam/sinkPolicy:SinkPolicy",
    # https://docs.aws.amazon.com/vpc-lattice/latest/ug/auth-policies.html
    "aws:vpclattice/authPolicy:AuthPolicy",
)
# How an API refers to itself in its own policy, before its ARN is known:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies-examples.html
_OWN_API: Final = "execute-api:/"
# Actions without a resource type:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html
_WITHOUT_RESOURCE: Final = frozenset({"ecr:getauthorizationtoken", "sts:getcalleridentity"})
# Service roles' policies exist for one service, and AWSDenyAll denies.
_MANAGED: Final = re.compile(r"arn:[\w-]+:iam::aws:policy/(?!service-role/|AWSDenyAll$)\S+")
_WILD: Final = re.compile(r"[*?]")
_ARN_FIELDS: Final = 6

_ROLE: Final = "aws:iam/role:Role"
_USER: Final = "aws:iam/user:User"
_CLAIMS: Final = ("sub", "aud")


def _allowed(resource: Resource) -> Iterator[Statement]:
    return (statement for statement in grants(resource) if not _hands_a_key_to_iam(resource, statement))


def _hands_a_key_to_iam(resource: Resource, statement: Statement) -> bool:
    """Return whether a statement is the default one of a key policy, which by itself gives no one access.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    return resource.type in _KEYS and set(statement.principals) <= {"AWS"} and all(map(account_of, _named(statement)))


def _named(statement: Statement) -> list[str]:
    return [principal for principals in statement.principals.values() for principal in principals]


def _actions(resource: Resource) -> Iterator[str]:
    for statement in _allowed(resource):
        if wild := [action for action in statement.actions if _WILD.search(action)]:
            yield f"{statement.label} allows {', '.join(wild)}."
        if "NotAction" in statement.inverted:
            yield f"{statement.label} allows all but its NotAction."


def _resources(resource: Resource) -> Iterator[str]:
    for statement in _allowed(resource):
        if _WITHOUT_RESOURCE.issuperset(action.lower() for action in statement.actions):
            continue
        if wild := [arn for arn in statement.resources if _is_wild(arn) and not _is_itself(resource, arn)]:
            yield f"{statement.label} allows on {', '.join(wild)}."
        if "NotResource" in statement.inverted:
            yield f"{statement.label} allows on all but its NotResource."


def _is_itself(resource: Resource, arn: str) -> bool:
    return (arn == "*" and resource.type in _THEMSELVES) or arn.startswith(_OWN_API)


def _is_wild(arn: str) -> bool:
    """Return whether an ARN may match several resources. The end of a name, and the path below it, may be wild."""
    *place, resource = arn.split(":", _ARN_FIELDS - 1)
    # A bucket's ARN starts with its name. Others start with a type, as in role/NAME and secret:NAME.
    first, second, *_ = [*re.split("[:/]", resource), ""]
    if place[2:3] == ["s3"]:
        return bool(_WILD.search(first) or any(map(_WILD.search, place)))
    return any(map(_WILD.search, place)) or any(_WILD.match(name) for name in (first, second))


def _principals(resource: Resource) -> Iterator[str]:
    for statement in grants(resource):
        if statement.is_for_anyone() or "NotPrincipal" in statement.inverted:
            yield f"{statement.label} lets in anyone."


def _managed(value: Value) -> Iterator[str]:
    """Yield the ARNs of AWS managed policies at any depth, except those inside a policy document."""
    if isinstance(value, str) and _MANAGED.fullmatch(value):
        yield value
    elif isinstance(value, list):
        for member in value:
            yield from _managed(member)
    elif isinstance(value, dict) and not any(documents_in(value)):
        yield from _managed(list(value.values()))


def _attachment(resource: Resource) -> Iterator[str]:
    yield from (f"It has {arn}." for arn in _managed(list(granting(resource))))


def _foreign_keys(stack: Stack) -> Iterator[tuple[Resource, str]]:
    """Yield the keys whose policy hands them to the IAM of another account."""
    resources = stack.all()
    for key in resources:
        own = own_accounts(key, resources) if key.type in _KEYS else set()
        for statement in grants(key) if own else ():
            accounts = {account_of(principal) for principal in _named(statement)}
            if foreign := sorted(accounts - own - {""}):
                yield key, f"{statement.label} hands it to the account {', '.join(foreign)}."


def _trust(role: Resource) -> Iterator[str]:
    for statement in allowed(role.get("assumeRolePolicy")):
        if "Federated" not in statement.principals and "sts:AssumeRoleWithWebIdentity" not in statement.actions:
            continue
        if missing := [claim for claim in _CLAIMS if not _is_exact(statement, claim)]:
            yield f"{statement.label} does not compare {' and '.join(missing)} with StringEquals and a full value."


def _is_exact(statement: Statement, claim: str) -> bool:
    """Return whether a condition requires an exact value of a token's claim, from any issuer."""
    compared = dig(statement.condition, "StringEquals")
    if compared is UNKNOWN:
        return True
    return isinstance(compared, dict) and any(
        key.endswith(f":{claim}") and _is_full(value) for key, value in compared.items()
    )


def _is_full(value: Value) -> bool:
    # StringEquals takes a `*` literally, so such a condition is a mistake rather than a hole.
    return value is UNKNOWN or (bool(texts(value)) and not any("*" in text for text in texts(value)))


def _boundary(stack: Stack, boundary: str = "") -> Iterator[tuple[Resource, str]]:
    roles = stack.of(_ROLE, _USER)
    boundaries = [role.get("permissionsBoundary") for role in roles]
    # One role with a boundary shows that the environment has one.
    required = next((arn for arn in (boundary, *boundaries) if arn and arn is not UNKNOWN), UNKNOWN)
    for role, arn in zip(roles, boundaries, strict=True):
        if not arn and (boundary or any(boundaries)):
            yield role, "permissionsBoundary is not set."
        elif arn and required is not UNKNOWN and differs(arn, required):
            yield role, f"permissionsBoundary must be {required}, got {arn}."


RULES: Final = (
    each(
        "iam-actions-are-named",
        "A policy allows actions by their full names. Replace each `*` and NotAction with the actions that are called. "
        "(The default statement of a key policy, which lets the account's IAM decide, is allowed.)",
        aws.TYPES,
        _actions,
    ),
    each(
        "iam-resources-are-named",
        "A policy names the resources on which it allows actions. Replace `*` and NotResource with ARNs. A `*` may "
        "stand for the path below a named bucket, repository or prefix. (The `*` of a key policy is the key itself.)",
        aws.TYPES,
        _resources,
    ),
    each(
        "no-public-principal",
        "A policy names the principals that it lets in. Replace the principal `*`, or NotPrincipal, where it allows.",
        aws.TYPES,
        _principals,
    ),
    each(
        "iam-policies-are-own",
        "Permissions come from this program. Replace the AWS managed policy, which grants far more than is used, with "
        "a RolePolicy. AWS service-role policies are allowed.",
        aws.TYPES,
        _attachment,
    ),
    together(
        "key-stays-in-its-account",
        "A key belongs to the account that it is in. Replace another account's root in its policy with the roles that "
        "use the key, and with the actions that they call.",
        _foreign_keys,
    ),
    each(
        "iam-trust-is-exact",
        "Only the token of one service account can assume a role. Compare the token's sub and aud in StringEquals with "
        "full values, as system:serviceaccount:NAMESPACE:NAME and sts.amazonaws.com.",
        (_ROLE,),
        _trust,
    ),
    together(
        "iam-role-has-boundary",
        "A role or a user has the permissions boundary of its environment: the `boundary` of this rule in the policy "
        "file, or the one that others in the stack have. Set permissionsBoundary to it.",
        _boundary,
        PolicyConfigSchema({"boundary": {"type": "string", "pattern": "^arn:"}}),
    ),
)
