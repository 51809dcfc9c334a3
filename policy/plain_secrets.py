"""The rule about secrets outside of Secrets: in ConfigMaps, and in pod specs, which anyone who lists pods can read.

A secret is recognised by its name or by its form. A breach names the place, never the secret.
"""

import base64
import re
from collections.abc import Iterator
from typing import Final

from policy.documents import texts
from policy.kubernetes import OBJECTS, containers_of
from policy.resources import Resource, Value, known_objects
from policy.rule import each
from secret_forms import forms_in, is_named_like_a_secret

_CONFIG_MAP: Final = "kubernetes:core/v1:ConfigMap"
# A reference to a secret isn't secret: a path, an ARN, or a variable that Kubernetes expands.
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


def _variable(place: str, name: Value, value: Value) -> Iterator[str]:
    if not isinstance(value, str):
        return
    if isinstance(name, str) and is_named_like_a_secret(name) and not _REFERENCE.match(value):
        yield f"{place} is named like a secret."
    yield from _forms(place, value)


def _decoded(value: Value) -> Value:
    try:
        return base64.b64decode(value).decode(errors="replace") if isinstance(value, str) else value
    except ValueError:
        return value


def _forms(place: str, text: str) -> Iterator[str]:
    yield from (f"{place} holds {form}." for form in forms_in(text))


RULES: Final = (
    each(
        "no-plain-secret",
        "A secret belongs in a Secret. Move it there, and refer to it by secretKeyRef or secretRef.",
        OBJECTS,
        _plain,
    ),
)
