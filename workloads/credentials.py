"""Credentials of the environment: refused by name where no request can carry them, and never part of a message."""

import os
import re
from collections.abc import Iterable
from typing import Final

from contracts import Exit
from workloads.cli import WorkloadError

HIDDEN: Final = "***"

# In front of the host of an address: https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1
_USER_INFO = re.compile(r"(?<=//)[^/?#\s]*@")
# A shorter value is found in ordinary words: replacing it would spoil the message and hide nothing.
_SHORTEST: Final = 4


def require_clean(*names: str) -> None:
    r"""Refuse a variable whose value no HTTP header can carry, such as a token that was read from a file with its "\n".

    The libraries would refuse it, too, and quote it.

    Raises:
        WorkloadError: One is not clean; the message has its name and not its value.
    """
    for name in names:
        value = os.environ.get(name, "")
        if value != value.strip() or not value.isprintable():
            raise WorkloadError(
                f"{name} begins or ends with white space, or holds a line break or another control character: "
                "set it to the bare value.",
                Exit.USAGE,
            )


def values(names: Iterable[str]) -> list[str]:
    """Return the values of those of the variables that are set."""
    return [value for name in names if (value := os.environ.get(name))]


def without_user(address: str) -> str:
    """Return an address without user, password and query, for a message."""
    return _USER_INFO.sub("", address).partition("?")[0]


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without `secrets` and without the user and password of any address in it."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    return _USER_INFO.sub(f"{HIDDEN}@", text)
