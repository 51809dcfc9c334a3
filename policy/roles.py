"""IAM roles: who may take one, and the boundary of what any of them may do."""

from collections.abc import Iterator
from typing import Final

from pulumi_policy import PolicyConfigSchema

from policy.documents import Statement, allowed, texts
from policy.known import UNKNOWN, Value, differs, dig
from policy.resource import Resource
from policy.rule import Stack, each, together

_ROLE: Final = "aws:iam/role:Role"
_USER: Final = "aws:iam/user:User"
_CLAIMS: Final = ("sub", "aud")


def _trust(role: Resource) -> Iterator[str]:
    for statement in allowed(role.get("assumeRolePolicy")):
        if "Federated" not in statement.principals and "sts:AssumeRoleWithWebIdentity" not in statement.actions:
            continue
        if missing := [claim for claim in _CLAIMS if not _is_exact(statement, claim)]:
            yield f"{statement.label} does not compare {' and '.join(missing)} with StringEquals and a full value."


def _is_exact(statement: Statement, claim: str) -> bool:
    """Tell whether a condition demands a claim of the token, of whatever issuer, letter by letter."""
    compared = dig(statement.condition, "StringEquals")
    if compared is UNKNOWN:
        return True
    return isinstance(compared, dict) and any(
        key.endswith(f":{claim}") and _is_full(value) for key, value in compared.items()
    )


def _is_full(value: Value) -> bool:
    # StringEquals compares a `*` as a letter, so that such a condition is a mistake rather than a hole.
    return value is UNKNOWN or (bool(texts(value)) and not any("*" in text for text in texts(value)))


def _boundary(stack: Stack, boundary: str = "") -> Iterator[tuple[Resource, str]]:
    roles = stack.of(_ROLE, _USER)
    named = [role.get("permissionsBoundary") for role in roles]
    # One role with a boundary shows that the environment has one.
    required = next((arn for arn in (boundary, *named) if arn and arn is not UNKNOWN), UNKNOWN)
    for role, arn in zip(roles, named, strict=True):
        if not arn and (boundary or any(named)):
            yield role, "permissionsBoundary is not set."
        elif arn and required is not UNKNOWN and differs(arn, required):
            yield role, f"permissionsBoundary is {arn}: required is {required}."


RULES: Final = (
    each(
        "iam-trust-is-exact",
        "A role is taken with the token of one service account. Compare the token's sub and aud in StringEquals with "
        "full values, as system:serviceaccount:NAMESPACE:NAME and sts.amazonaws.com.",
        (_ROLE,),
        _trust,
    ),
    together(
        "iam-role-has-boundary",
        "A role or a user has the permissions boundary of its environment: the one that the policy file names as "
        "`boundary`, else the one that others of the stack have. Set permissionsBoundary to it.",
        _boundary,
        PolicyConfigSchema({"boundary": {"type": "string", "pattern": "^arn:"}}),
    ),
)
