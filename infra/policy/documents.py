"""IAM policy documents, as text or as an object, read into statements.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.policy.known import UNKNOWN, Value, dig, holds_unknown, known_items


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One statement: what is one text or a list of them in the document is a list here, of what is known."""

    label: str
    effect: Any
    actions: list[str]
    resources: list[str]
    # The kind of a principal (AWS, Service, Federated), or `*` for anybody, with the principals.
    principals: Mapping[str, list[str]]
    condition: Value
    # Elements that allow all but what they list: NotAction, NotResource, NotPrincipal.
    inverted: list[str]

    def is_for_anybody(self) -> bool:
        """Tell whether a principal is everybody."""
        return any("*" in principals for principals in self.principals.values())


def statements(document: Value) -> list[Statement]:
    """Return the statements of a document; an unknown one has none, nor has what is no document: AWS refuses it."""
    return [_statement(index, member) for index, member in enumerate(_members(document)) if isinstance(member, dict)]


def allowed(document: Value) -> list[Statement]:
    """Return the statements that allow something."""
    return [statement for statement in statements(document) if statement.effect == "Allow"]


def may_deny(document: Value) -> bool:
    """Tell whether any denial may turn out to be in a document, as not all of it is known."""
    return any(
        holds_unknown(member) for member in _members(document) if member is UNKNOWN or member.get("Effect") != "Allow"
    )


def texts(value: Value) -> list[str]:
    """Return the known texts of what is one text or a list of them."""
    return [item for item in (known_items(value) if isinstance(value, list) else [value]) if isinstance(item, str)]


def _members(document: Value) -> list[Value]:
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return []
    listed = dig(document, "Statement")
    members = listed if isinstance(listed, list) else [listed]
    return [member for member in members if member is UNKNOWN or isinstance(member, dict)]


def _statement(index: int, member: dict[str, Any]) -> Statement:
    return Statement(
        label=f"statement {member.get('Sid') or index + 1}",
        effect=member.get("Effect", UNKNOWN),
        actions=texts(member.get("Action")),
        resources=texts(member.get("Resource")),
        principals=_principals(member.get("Principal")),
        condition=member.get("Condition"),
        inverted=[name for name in ("NotAction", "NotResource", "NotPrincipal") if name in member],
    )


def _principals(value: Value) -> dict[str, list[str]]:
    if value is UNKNOWN:
        return {}
    if isinstance(value, dict):
        return {kind: texts(principals) for kind, principals in value.items()}
    return {"*": texts(value)}
