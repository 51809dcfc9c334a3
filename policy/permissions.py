"""What IAM policies allow: actions and resources by their names, to principals by their names."""

import re
from collections.abc import Iterator
from typing import Final

from policy.accounts import account_of, own_accounts
from policy.documents import Statement, documents_in
from policy.grants import AWS, granting, grants
from policy.known import Value
from policy.resource import Resource
from policy.rule import Stack, each, together

# In the policy of one of these, `*` is what it is the policy of: nothing else could be meant.
# https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
_KEYS: Final = (
    "aws:kms/key:Key",
    "aws:kms/keyPolicy:KeyPolicy",
    "aws:kms/externalKey:ExternalKey",
    "aws:kms/replicaKey:ReplicaKey",
    "aws:kms/replicaExternalKey:ReplicaExternalKey",
)
_THEMSELVES: Final = (
    *_KEYS,
    # https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html
    "aws:backup/vaultPolicy:VaultPolicy",
    # https://docs.aws.amazon.com/OAM/latest/APIReference/API_PutSinkPolicy.html
    "aws:oam/sinkPolicy:SinkPolicy",
    # https://docs.aws.amazon.com/vpc-lattice/latest/ug/auth-policies.html
    "aws:vpclattice/authPolicy:AuthPolicy",
)
# What an API calls itself in its own policy, whose ARN it can't know:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies-examples.html
_OWN_API: Final = "execute-api:/"
# Actions for which AWS knows no resource:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html
_WITHOUT_RESOURCE: Final = frozenset({"ecr:getauthorizationtoken", "sts:getcalleridentity"})
# Those that name a service exist for it alone, and the last one denies.
_MANAGED: Final = re.compile(r"arn:[\w-]+:iam::aws:policy/(?!service-role/|AWSDenyAll$)\S+")
_WILD: Final = re.compile(r"[*?]")
_ARN_FIELDS: Final = 6


def _allowed(resource: Resource) -> Iterator[Statement]:
    return (statement for statement in grants(resource) if not _hands_a_key_to_iam(resource, statement))


def _hands_a_key_to_iam(resource: Resource, statement: Statement) -> bool:
    """Tell whether this is a key policy's first statement as AWS documents it: by itself it lets nobody in.

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
    """Tell whether an ARN leaves open which resource it is; the end of a name, or what is below it, may be open."""
    *place, resource = arn.split(":", _ARN_FIELDS - 1)
    # A bucket's ARN starts with its name, others with a type, as in role/NAME and secret:NAME.
    first, second, *_ = [*re.split("[:/]", resource), ""]
    if place[2:3] == ["s3"]:
        return bool(_WILD.search(first) or any(map(_WILD.search, place)))
    return any(map(_WILD.search, place)) or any(_WILD.match(name) for name in (first, second))


def _principals(resource: Resource) -> Iterator[str]:
    for statement in grants(resource):
        if statement.is_for_anybody() or "NotPrincipal" in statement.inverted:
            yield f"{statement.label} lets in anybody."


def _managed(value: Value) -> Iterator[str]:
    """Yield the ARNs of policies that AWS manages, however deep, but not those that a document speaks of."""
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
    """Yield the keys that another account's IAM decides about."""
    resources = stack.all()
    for key in resources:
        own = own_accounts(key, resources) if key.type in _KEYS else set()
        for statement in grants(key) if own else ():
            accounts = {account_of(principal) for principal in _named(statement)}
            if foreign := sorted(accounts - own - {""}):
                yield key, f"{statement.label} hands it to the account {', '.join(foreign)}."


RULES: Final = (
    each(
        "iam-actions-are-named",
        "A policy allows actions by their full names. Replace each `*` and NotAction by the actions that are called. "
        "(A key policy's documented statement for the account's root, which lets IAM decide, is let pass.)",
        AWS,
        _actions,
    ),
    each(
        "iam-resources-are-named",
        "A policy allows actions on resources that it names. Replace `*` and NotResource by ARNs; a `*` may stand for "
        "what is below a named bucket, repository or prefix. (A key policy's `*` is the key itself.)",
        AWS,
        _resources,
    ),
    each(
        "no-public-principal",
        "A policy lets in principals by their names. Replace the principal `*`, or NotPrincipal, in what it allows.",
        AWS,
        _principals,
    ),
    each(
        "iam-policies-are-own",
        "Permissions are those of this program. Replace the policy that AWS manages, which grants far more than is "
        "called, by a RolePolicy; the service roles that AWS documents may stay.",
        AWS,
        _attachment,
    ),
    together(
        "key-stays-in-its-account",
        "A key belongs to the account that it is in. Replace another account's root in its policy by the roles that "
        "use it, with the actions that they call.",
        _foreign_keys,
    ),
)
