"""Validation of the names of images and registries that a user sets.

The grammar is from https://github.com/distribution/reference/blob/main/reference.go.
"""

import re

from local.errors import LocalError

_HOST = r"(?:localhost|[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)+|\[[0-9a-f:]+\])"
_HOST_ALONE = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_PORT = r"[0-9]{1,5}"
_PORTS = range(1, 65536)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = rf"{_PART}(?:/{_PART})*"
# Only a port distinguishes a host without a dot from the first part of a path.
_REGISTRY = re.compile(rf"(?:{_HOST}(?::(?P<port>{_PORT}))?|{_HOST_ALONE}:(?P<other_port>{_PORT}))(?P<path>/{_PATH})?")
_IMAGE = re.compile(
    rf"(?:(?:{_HOST}|{_HOST_ALONE})(?::{_PORT})?/)?{_PATH}(?::\w[-.\w]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)
_DEFAULT_PATH = "/aegis"


def registry(variable: str, address: str) -> str:
    """Return the registry address in the variable. A host without a path gets the default path.

    Raises:
        LocalError: The address is invalid. The message doesn't repeat an address that may contain a password.
    """
    _refuse_credentials(variable, address)
    match = _REGISTRY.fullmatch(address.rstrip("/"))
    if match is None or int(match["port"] or match["other_port"] or 1) not in _PORTS:
        raise LocalError(
            f"{variable} must be host[:port][/path] in lower case and without a scheme, such as "
            f"localhost:5001 or ghcr.io/acme/aegis, got {address!r}."
        )
    return match[0] if match["path"] else match[0] + _DEFAULT_PATH


def image(variable: str, name: str) -> str:
    """Return the image reference in the variable.

    Raises:
        LocalError: The reference is invalid.
    """
    if not _IMAGE.fullmatch(name):
        if "@sha256:" not in name:
            _refuse_credentials(variable, name)
        raise LocalError(f"{variable} must be an image reference, such as debian:bookworm-slim, got {name!r}.")
    return name


def _refuse_credentials(variable: str, value: str) -> None:
    if "@" in value:
        raise LocalError(
            f"{variable} contains an @: leave out user and password, and log in to the registry beforehand."
        )


def is_plain_http(reference: str) -> bool:
    """Return whether the registry of a reference is on this machine and so needs no certificate."""
    host = reference.partition("/")[0].rpartition(":")[0] or reference.partition("/")[0]
    return host in ("localhost", "[::1]") or re.fullmatch(r"127\.\d+\.\d+\.\d+", host) is not None
