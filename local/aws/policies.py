"""Evaluation of IAM policy documents, for the calls that the emulated account checks.

It follows the IAM guide: an explicit deny wins, then an allow, and everything else is denied.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]


class UnknownConditionError(Exception):
    """A condition operator that isn't supported, so that its statement can't be evaluated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One action on one resource. `context` holds the condition keys of the request, in lower case."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def allows(documents: Iterable[Document], call: Call) -> bool:
    """Return whether identity policies allow a call."""
    found = [statement for document in documents for statement in statements(document) if applies(statement, call)]
    return any(each["Effect"] == "Allow" for each in found) and not any(each["Effect"] == "Deny" for each in found)


def denies(documents: Iterable[Document], call: Call) -> bool:
    """Return whether resource policies, such as a bucket's, deny a call to every principal."""
    return any(
        statement["Effect"] == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        and applies(statement, call)
        for document in documents
        for statement in statements(document)
    )


def applies(statement: Document, call: Call) -> bool:
    """Return whether a statement applies to a call.

    Raises:
        UnknownConditionError: A condition operator isn't supported.
    """
    return (
        _covers(statement, "Action", call.action.lower(), str.lower)
        and _covers(statement, "Resource", call.resource, str)
        and conditions_hold(statement.get("Condition", {}), call.context)
    )


def conditions_hold(conditions: Document, context: Mapping[str, str]) -> bool:
    """Return whether every condition holds for a call's `context`, whose keys are in lower case.

    Raises:
        UnknownConditionError: A condition operator isn't supported.
    """
    return all(
        _holds(operator, context.get(key.lower()), _listed(expected))
        for operator, keys in conditions.items()
        for key, expected in keys.items()
    )


def statements(document: Document) -> Sequence[Document]:
    """Return the statements of a document."""
    return _listed(document.get("Statement", ()))


def _covers(statement: Document, element: str, value: str, fold: Callable[[str], str]) -> bool:
    if f"Not{element}" in statement:
        return not any(_like(fold(pattern), value) for pattern in _listed(statement[f"Not{element}"]))
    # A statement of a trust policy has no resource, because it applies to its own role.
    return element not in statement or any(_like(fold(pattern), value) for pattern in _listed(statement[element]))


def _holds(operator: str, actual: str | None, expected: Sequence[str]) -> bool:
    name = operator.removesuffix("IfExists")
    if name == "Null":
        return (actual is None) == (str(expected[0]).lower() == "true")
    # A missing key fails a condition, except for operators with "Not" or "IfExists".
    if actual is None:
        return name != operator or "Not" in name
    positive, matches = _OPERATORS.get(name, (True, None))
    if matches is None:
        message = f"the emulated AWS doesn't support the condition operator {operator}"
        raise UnknownConditionError(message)
    return any(matches(str(value), actual) for value in expected) is positive


def _like(pattern: str, value: str) -> bool:
    """Match IAM's wildcards: `*` for any characters, `?` for one."""
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(expression, value, re.DOTALL) is not None


def _listed(value: Any) -> Sequence[Any]:  # noqa: ANN401 - policies may have one value or a list.
    return value if isinstance(value, (list, tuple)) else (value,)


def _same(expected: str, actual: str) -> bool:
    return expected == actual


def _same_truth(expected: str, actual: str) -> bool:
    return expected.lower() == actual.lower()


# Each operator with its comparison, and whether a match satisfies it.
_OPERATORS: Mapping[str, tuple[bool, Callable[[str, str], bool]]] = {
    "StringEquals": (True, _same),
    "StringNotEquals": (False, _same),
    "StringLike": (True, _like),
    "StringNotLike": (False, _like),
    "ArnEquals": (True, _like),
    "ArnNotEquals": (False, _like),
    "ArnLike": (True, _like),
    "ArnNotLike": (False, _like),
    "Bool": (True, _same_truth),
    "NumericLessThan": (True, lambda expected, actual: float(actual) < float(expected)),
    "NumericGreaterThanEquals": (True, lambda expected, actual: float(actual) >= float(expected)),
}
