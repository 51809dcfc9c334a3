"""Secrets lie in Secrets: not in ConfigMaps, and not in a pod's spec, which everybody may read who may list pods.

What counts as a secret is told by its name or by its form. A breach names where it is, and never what it is.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from infra.policy.documents import texts
from infra.policy.known import Value, known_items
from infra.policy.pods import WORKLOADS, containers
from infra.policy.rule import Resource, each

_CONFIG_MAP: Final = "kubernetes:core/v1:ConfigMap"
# The last word tells: PGPASSWORD, aws.secret_access_key, apiKey, but not PASSWORD_FILE or TOKEN_PATH, nor MONKEY.
_NAME: Final = re.compile(
    r"((?i:password|passwd|passphrase)"
    r"|(^|[^A-Za-z]|(?<=[a-z])(?=[A-Z]))(?i:pass|pwd|secret|token|(api|access|secret)?key|credential))(?i:s?)$"
)
# Where a secret is, or which one, is no secret: a path, an ARN, a variable that Kubernetes fills in.
_REFERENCE: Final = re.compile(r"^(/\S*|arn:\S+|\$\(\w+\))?$")
_FORMS: Final = {
    "a URI with a password": re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@]*:(?!\$\(\w+\)@)[^\s/@]+@", re.IGNORECASE),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    "an AWS access key ID": re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----"),
    # https://developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes
    "a token of Vault": re.compile(r"\bhv[sb]\.[\w-]{20,}"),
    # A line of INI or YAML, a member of JSON, an option, a parameter of a URI; a `$` begins what a shell fills in.
    "a password": re.compile(
        r"""(password|passwd|passphrase|secret_?access_?key)["']?[ \t]*[:=][ \t]*["']?"""
        r"""(?!/|(null|none|true|false)\b)[^\s"'(){}<>$,;&]+(?=["'\s,;&}]|$)""",
        re.IGNORECASE,
    ),
}


def _plain(resource: Resource) -> Iterator[str]:
    if resource.type == _CONFIG_MAP:
        for part in ("data", "binaryData"):
            members = resource.get(part)
            for name, value in members.items() if isinstance(members, dict) else ():
                yield from _variable(f"{part}.{name}", name, value if part == "data" else _decoded(value))
        return
    for container in containers(resource):
        for entry in known_items(container.get("env")):
            yield from _variable(
                f"{container.get('name')}: env {entry.get('name')}", entry.get("name"), entry.get("value")
            )
        for part in ("command", "args"):
            for text in texts(container.get(part)):
                yield from _forms(f"{container.get('name')}: {part}", text)


def _variable(where: str, name: Value, value: Value) -> Iterator[str]:
    if not isinstance(value, str):
        return
    if isinstance(name, str) and _NAME.search(name) and not _REFERENCE.match(value):
        yield f"{where} is named like a secret."
    yield from _forms(where, value)


def _decoded(value: Value) -> Value:
    try:
        return base64.b64decode(value).decode(errors="replace") if isinstance(value, str) else value
    except binascii.Error:
        return value


def _forms(where: str, text: str) -> Iterator[str]:
    yield from (f"{where} holds {what}." for what, form in _FORMS.items() if form.search(text))


RULES: Final = (
    each(
        "no-plain-secret",
        "A secret lies in a Secret. Move it there, and refer to it by secretKeyRef or secretRef.",
        (_CONFIG_MAP, *WORKLOADS),
        _plain,
    ),
)
