"""Checks of credentials from the environment and from mounted files, before a client sends them."""

import os
import re
from typing import Final

from contracts import Exit
from workloads.cli import WorkloadError

# The characters of an HTTP header's value (RFC 9110, section 5.5), without blanks.
_SENDABLE: Final = re.compile(r"[!-~]*")


def from_environment(name: str) -> str:
    """Return the credential from the environment variable `name`, or "" if it is not set; see `checked`."""
    return checked(os.environ.get(name, ""), name)


def settle(*names: str) -> None:
    """Check the credentials in the environment variables `names` and replace them by their `checked` values.

    For clients that read the variables themselves.

    Raises:
        WorkloadError: As `checked`.
    """
    for name in names:
        if name in os.environ:
            os.environ[name] = from_environment(name)


def checked(value: str, name: str) -> str:
    """Return `value` without surrounding white space, which copying and `echo` can add.

    Raises:
        WorkloadError: It contains characters that HTTP headers don't allow; the message gives `name`, not the value.
    """
    value = value.strip()
    if not _SENDABLE.fullmatch(value):
        raise WorkloadError(
            f"{name} can't be sent: a credential must consist of printable ASCII characters without blanks.", Exit.USAGE
        )
    return value
