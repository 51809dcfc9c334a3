"""Whose an AWS resource is: the account that it lies in, as far as the stack tells."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from policy.documents import statements, texts
from policy.known import Value
from policy.resource import Resource

_ID: Final = re.compile(r"\d{12}")
# An account is named by its root, or by its number alone:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-accounts
_ROOT: Final = re.compile(r"(?:arn:[\w-]+:iam::)?(\d{12})(?::root)?")
_ACCOUNT_FIELD: Final = 4


def account_of(principal: str) -> str:
    """Return the account that a principal is, empty for any other principal."""
    found = _ROOT.fullmatch(principal)
    return found[1] if found else ""


def own_accounts(resource: Resource, stack: Iterable[Resource]) -> set[str]:
    """Return the accounts that a resource may lie in; none where nothing tells."""
    allowed = set(_texts(resource.provider.get("allowedAccountIds")))
    return allowed or {account for each in stack for account in _told_by(each)}


def _told_by(resource: Resource) -> Iterator[str]:
    """Yield the account that a resource lies in, by what can be of no other: its own ARN, its boundary, its issuer."""
    if resource.type.startswith("aws:"):
        federated = [
            principal
            for statement in statements(resource.get("assumeRolePolicy"))
            for principal in statement.principals.get("Federated", [])
        ]
        for arn in [*texts(resource.get("arn")), *texts(resource.get("permissionsBoundary")), *federated]:
            yield from (field for field in arn.split(":")[_ACCOUNT_FIELD:][:1] if _ID.fullmatch(field))


def _texts(value: Value) -> list[str]:
    """Return the texts of a provider's property, which the engine hands on as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    return [text for text in texts(value) if _ID.fullmatch(text)]
