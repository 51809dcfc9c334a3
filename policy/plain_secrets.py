"""Secrets lie in Secrets: not in ConfigMaps, and not in a pod's spec, which everybody may read who may list pods.

What counts as a secret is told by its name or by its form. A breach names where it is, and never what it is.
"""

import base64
import re
from collections.abc import Iterator
from typing import Final

from policy.documents import texts
from policy.known import Value, known_objects
from policy.pods import WORKLOADS, containers_of
from policy.resource import Resource
from policy.rule import each
from secret_forms import forms_in, is_named_like_a_secret

_CONFIG_MAP: Final = "kubernetes:core/v1:ConfigMap"
# Where a secret is, or which one, is no secret: a path, an ARN, a variable that Kubernetes fills in.
_REFERENCE: Final = re.compile(r"^(/\S*|arn:\S+|\$\(\w+\))?$")


def _plain(resource: Resource) -> Iterator[str]:
    if resource.type == _CONFIG_MAP:
        for part in ("data", "binaryData"):
            members = resource.get(part)
            for name, value in members.items() if isinstance(members, dict) else ():
                yield from _variable(f"{part}.{name}", name, value if part == "data" else _decoded(value))
    for container in containers_of(resource):
        for entry in known_objects(container.get("env")):
            yield from _variable(
                f"{container.get('name')}: env {entry.get('name')}", entry.get("name"), entry.get("value")
            )
        for part in ("command", "args"):
            for text in texts(container.get(part)):
                yield from _forms(f"{container.get('name')}: {part}", text)


def _variable(where: str, name: Value, value: Value) -> Iterator[str]:
    if not isinstance(value, str):
        return
    if isinstance(name, str) and is_named_like_a_secret(name) and not _REFERENCE.match(value):
        yield f"{where} is named like a secret."
    yield from _forms(where, value)


def _decoded(value: Value) -> Value:
    try:
        return base64.b64decode(value).decode(errors="replace") if isinstance(value, str) else value
    except ValueError:
        return value


def _forms(where: str, text: str) -> Iterator[str]:
    yield from (f"{where} holds {what}." for what in forms_in(text))


RULES: Final = (
    each(
        "no-plain-secret",
        "A secret lies in a Secret. Move it there, and refer to it by secretKeyRef or secretRef.",
        WORKLOADS,
        _plain,
    ),
)
