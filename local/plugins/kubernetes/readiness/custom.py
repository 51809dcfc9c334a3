"""Custom readiness conditions in the annotation `pulumi.com/waitFor`.

An expression is `condition=Ready`, `condition=Ready=False`, `jsonpath={.status.phase}=Running`, or
`jsonpath={.status.address}` for any value. The annotation holds one expression or a JSON array of them. JSONPath is
limited to plain keys and indexes.
"""

import json
import re
from typing import Any, Final

from local.plugins.kubernetes.client import Object
from local.plugins.kubernetes.objects import condition
from local.plugins.kubernetes.readiness.verdict import Check, Reader, Verdict, ready, waiting
from local.plugins.provider import PluginError

_JSONPATH: Final = re.compile(r"jsonpath=\{?((?:\.[\w-]+|\[\d+\])+)\}?(?:=(.*))?")
_CONDITION: Final = re.compile(r"condition=([^=]+)(?:=(.*))?")
_STEP: Final = re.compile(r"\.([\w-]+)|\[(\d+)\]")


def check(annotation: str) -> Check:
    """Return the check for the annotation's value.

    Raises:
        PluginError: an expression is invalid.
    """
    try:
        parsed = json.loads(annotation)
    except ValueError:
        parsed = annotation
    expressions = parsed if isinstance(parsed, list) else [annotation]
    for expression in expressions:
        if not _CONDITION.fullmatch(expression) and not _JSONPATH.fullmatch(expression):
            message = f"pulumi.com/waitFor: {expression!r} is neither condition=... nor a plain jsonpath={{...}}=..."
            raise PluginError(message)

    def look(live: Object, _client: Reader) -> Verdict:
        unmet = [expression for expression in expressions if not _met(expression, live)]
        return waiting(f"waiting for {', '.join(unmet)}") if unmet else ready()

    return look


def _met(expression: str, live: Object) -> bool:
    if match := _CONDITION.fullmatch(expression):
        kind, status = match.groups()
        return str(condition(live, kind).get("status", "")).lower() == (status or "True").lower()
    match = _JSONPATH.fullmatch(expression)
    if match is None:
        return False
    value = _value(live, match.group(1))
    return value is not None if match.group(2) is None else _text(value) == match.group(2)


def _value(tree: Any, path: str) -> Any:  # noqa: ANN401 - any JSON value.
    for key, index in _STEP.findall(path):
        if key:
            tree = tree.get(key) if isinstance(tree, dict) else None
        else:
            tree = tree[int(index)] if isinstance(tree, list) and int(index) < len(tree) else None
    return tree


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value.
    return str(value).lower() if isinstance(value, bool) else str(value)
