"""Credentials of the environment and of mounted files: whether a client can send them is found out before it tries."""

import os
import re
from typing import Final

from contracts import Exit
from workloads.cli import WorkloadError

# What the value of an HTTP header may hold (RFC 9110, section 5.5), blanks aside.
_SENDABLE: Final = re.compile(r"[!-~]*")


def from_environment(name: str) -> str:
    """Return the credential in the variable `name`, "" if there is none; see `checked`."""
    return checked(os.environ.get(name, ""), name)


def settle(*names: str) -> None:
    """Check the credentials in the variables `names`, and leave them there as a client that reads them can send them.

    Raises:
        WorkloadError: As `checked`.
    """
    for name in names:
        if name in os.environ:
            os.environ[name] = from_environment(name)


def checked(value: str, name: str) -> str:
    """Return `value` without the white space around it, which copying and `echo` leave there.

    Raises:
        WorkloadError: It holds what no header may; the message gives `name` and never the value.
    """
    value = value.strip()
    if not _SENDABLE.fullmatch(value):
        raise WorkloadError(
            f"{name} is no credential that can be sent: only printable ASCII characters without blanks are allowed.",
            Exit.USAGE,
        )
    return value
