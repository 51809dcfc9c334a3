"""Namespaces: the API server itself refuses pods that are not confined."""

from collections.abc import Iterator
from typing import Final

from policy.known import differs, dig
from policy.resource import Resource
from policy.rule import each

_ENFORCE: Final = "pod-security.kubernetes.io/enforce"


def _standard(namespace: Resource) -> Iterator[str]:
    level = dig(namespace.get("metadata", "labels"), _ENFORCE)
    if differs(level, "restricted"):
        yield f"{_ENFORCE} is {level or 'not set'}."


RULES: Final = (
    each(
        "namespace-is-restricted",
        f"A namespace enforces the Pod Security Standard `restricted`. Set its label {_ENFORCE} to that.",
        ("kubernetes:core/v1:Namespace",),
        _standard,
    ),
)
