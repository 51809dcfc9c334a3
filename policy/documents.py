"""A reader of IAM policy documents, in text or as objects.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from policy.resources import UNKNOWN, Value, dig, holds_unknown, known_items

# AWS reads these names in any case.
_ELEMENTS: Final = {
    name.lower(): name
    for name in (
        "Statement", "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal",
        "Condition",
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One statement, with its known values. A single text of the document is a list of one here."""

    label: str
    effect: Any = "Allow"
    actions: list[str]
    resources: list[str]
    # Principals by kind: AWS, Service or Federated, or `*` for anyone.
    principals: Mapping[str, list[str]]
    condition: Value = None
    # The elements that allow everything except what they list: NotAction, NotResource, NotPrincipal.
    inverted: list[str]

    def is_for_anyone(self) -> bool:
        """Return whether the principals include everyone."""
        return any("*" in principals for principals in self.principals.values())


def documents_in(value: Value) -> Iterator[dict[str, Value]]:
    """Yield the policy documents in a value at any depth, whether objects or JSON text."""
    if isinstance(value, str):
        value = _parsed(value) if "statement" in value.lower() else None
    if isinstance(value, dict):
        # The statements of other services have no effect.
        if any(member is not UNKNOWN and "Effect" in member for member in _members(value)):
            yield value
            return
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from documents_in(member)


def statements(document: Value) -> list[Statement]:
    """Return the statements of a document.

    An unknown document has none. Neither has a value that is not a document, which AWS refuses.
    """
    return [_statement(index, member) for index, member in enumerate(_members(document)) if isinstance(member, dict)]


def allowed(document: Value) -> list[Statement]:
    """Return the statements that allow something."""
    return [statement for statement in statements(document) if statement.effect == "Allow"]


def may_deny(document: Value) -> bool:
    """Return whether an unknown part of a document may turn out to be a denial."""
    return any(
        holds_unknown(member) for member in _members(document) if member is UNKNOWN or member.get("Effect") != "Allow"
    )


def texts(value: Value) -> list[str]:
    """Return the known texts of a value that is one text or a list of texts."""
    return [item for item in (known_items(value) if isinstance(value, list) else [value]) if isinstance(item, str)]


# Several rules look at each text.
@lru_cache(maxsize=256)
def _parsed(text: str) -> Value:
    # Python refuses JSON that is nested too deeply, and numbers with too many digits.
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
    """Return an object with the element names in their documented case."""
    return (
        {_ELEMENTS.get(key.lower(), key): value for key, value in element.items()}
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
