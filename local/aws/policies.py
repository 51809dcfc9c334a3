"""What a set of IAM policy documents allows, for the calls that the emulated account checks.

The evaluation is that of the IAM guide: an explicit deny wins, then an allow, and what nobody allows is denied.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]


class UnknownConditionError(Exception):
    """A condition that is not evaluated here: nothing can be said about its statement."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One action on one resource; `context` are the condition keys that the service gives it, in lower case."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def allows(documents: Iterable[Document], call: Call) -> bool:
    """Tell whether identity policies allow a call."""
    found = [statement for document in documents for statement in statements(document) if applies(statement, call)]
    return any(each["Effect"] == "Allow" for each in found) and not any(each["Effect"] == "Deny" for each in found)


def denies(documents: Iterable[Document], call: Call) -> bool:
    """Tell whether a statement of resource policies, such as a bucket's, denies a call to everybody."""
    return any(
        statement["Effect"] == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        and applies(statement, call)
        for document in documents
        for statement in statements(document)
    )


def applies(statement: Document, call: Call) -> bool:
    """Tell whether a statement is about a call.

    Raises:
        UnknownConditionError: It has a condition operator that is not known here.
    """
    return (
        _covers(statement, "Action", call.action.lower(), str.lower)
        and _covers(statement, "Resource", call.resource, str)
        and conditions_hold(statement.get("Condition", {}), call.context)
    )


def conditions_hold(conditions: Document, context: Mapping[str, str]) -> bool:
    """Tell whether every condition holds for the keys that a call has; `context` has its keys in lower case.

    Raises:
        UnknownConditionError: There is an operator that is not known here.
    """
    return all(
        _holds(operator, context.get(key.lower()), _listed(wanted))
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def statements(document: Document) -> Sequence[Document]:
    """Return the statements of a document."""
    return _listed(document.get("Statement", ()))


def _covers(statement: Document, element: str, value: str, fold: Callable[[str], str]) -> bool:
    if f"Not{element}" in statement:
        return not any(_like(fold(pattern), value) for pattern in _listed(statement[f"Not{element}"]))
    # A trust policy's statement has no resource: it is about the role that it belongs to.
    return element not in statement or any(_like(fold(pattern), value) for pattern in _listed(statement[element]))


def _holds(operator: str, actual: str | None, wanted: Sequence[str]) -> bool:
    name = operator.removesuffix("IfExists")
    if name == "Null":
        return (actual is None) == (str(wanted[0]).lower() == "true")
    # A key that the call doesn't have fails a condition, but for the operators with "Not" or "IfExists".
    if actual is None:
        return name != operator or "Not" in name
    positive, matches = _OPERATORS.get(name, (True, None))
    if matches is None:
        message = f"the condition operator {operator} is not known to the emulated AWS"
        raise UnknownConditionError(message)
    return any(matches(str(value), actual) for value in wanted) is positive


def _like(pattern: str, value: str) -> bool:
    """Match IAM's wildcards: `*` stands for any characters, `?` for one."""
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(expression, value, re.DOTALL) is not None


def _listed(given: Any) -> Sequence[Any]:  # noqa: ANN401 - policies write one as itself and several as a list.
    return given if isinstance(given, (list, tuple)) else (given,)


def _same(wanted: str, actual: str) -> bool:
    return wanted == actual


def _same_truth(wanted: str, actual: str) -> bool:
    return wanted.lower() == actual.lower()


# Each with whether it wants a match or none.
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
    "NumericLessThan": (True, lambda wanted, actual: float(actual) < float(wanted)),
    "NumericGreaterThanEquals": (True, lambda wanted, actual: float(actual) >= float(wanted)),
}
