"""Kubernetes service accounts as AWS knows them: the subject of their tokens."""

import re
from typing import Final

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def subject(namespace: str, service_account: str) -> str:
    """Return the `sub` claim of the tokens of a service account.

    Raises:
        ValueError: One of the names is none that Kubernetes gives.
    """
    return f"system:serviceaccount:{label('namespace', namespace)}:{label('service_account', service_account)}"


def label(field: str, name: str) -> str:
    """Return `name`, a name that may stand in a policy: it holds no wildcard and no separator.

    Raises:
        ValueError: It is no DNS label.
    """
    if not _LABEL.fullmatch(name):
        raise ValueError(f"{field} is {name!r}: allowed are 1 to 63 lower-case letters, digits and inner hyphens.")
    return name
