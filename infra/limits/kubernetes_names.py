"""Names of Kubernetes objects in the policies of AWS and Vault."""

import re
from typing import Final

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def subject(namespace: str, service_account: str) -> str:
    """Return the `sub` claim of the tokens of a service account.

    Raises:
        ValueError: A name isn't a DNS label.
    """
    return f"system:serviceaccount:{label('namespace', namespace)}:{label('service_account', service_account)}"


def label(field: str, name: str) -> str:
    """Return `name` unchanged, if it is safe in a policy: a DNS label has no wildcards or separators.

    Raises:
        ValueError: The name isn't a DNS label; the message calls it `field`.
    """
    if not re.fullmatch(LABEL, name):
        raise ValueError(f"{field} must be 1 to 63 lower-case letters, digits and inner hyphens, got {name!r}.")
    return name
