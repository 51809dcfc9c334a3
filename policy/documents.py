"""IAM policy documents, as text or as an object, read into statements.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from policy.known import UNKNOWN, Value, dig, holds_unknown, known_items

# AWS reads these in any case.
_ELEMENTS: Final = {
    name.lower(): name
    for name in (
        "Statement", "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal",
        "Condition",
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One statement: what is one text or a list of them in the document is a list here, of what is known."""

    label: str
    effect: Any = "Allow"
    actions: list[str]
    resources: list[str]
    # The kind of a principal (AWS, Service, Federated), or `*` for anybody, with the principals.
    principals: Mapping[str, list[str]]
    condition: Value = None
    # Elements that allow all but what they list: NotAction, NotResource, NotPrincipal.
    inverted: list[str]

    def is_for_anybody(self) -> bool:
        """Tell whether a principal is everybody."""
        return any("*" in principals for principals in self.principals.values())


def documents_in(value: Value) -> Iterator[dict[str, Value]]:
    """Yield the policy documents in a value, however deep, whether they are objects or JSON in a text."""
    if isinstance(value, str):
        value = _parsed(value) if "statement" in value.lower() else None
    if isinstance(value, dict):
        # Other services have statements of their own, without an effect.
        if any(member is not UNKNOWN and "Effect" in member for member in _members(value)):
            yield value
            return
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from documents_in(member)


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


# Several rules look at each text.
@lru_cache(maxsize=256)
def _parsed(text: str) -> Value:
    # Python itself refuses JSON that is too deep, or has a number with too many digits.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _members(document: Value) -> list[Value]:
    if isinstance(document, str):
        document = _parsed(document)
    listed = dig(_spelled(document), "Statement")
    members = listed if isinstance(listed, list) else [listed]
    return [_spelled(member) for member in members if member is UNKNOWN or isinstance(member, dict)]


def _spelled(element: Value) -> Value:
    """Return an object with the names of a policy's elements as they are documented."""
    return (
        {_ELEMENTS.get(key.lower(), key): each for key, each in element.items()}
        if isinstance(element, dict)
        else element
    )


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
