"""Names that a user gives of images and registries, checked; and what follows from a registry's host.

What they may be made of: https://github.com/distribution/reference/blob/main/reference.go.
"""

import re

from local.errors import LocalError

_HOST = r"(?:localhost|[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)+|\[[0-9a-f:]+\])"
_HOST_ALONE = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_PORT = r"[0-9]{1,5}"
_PORTS = range(1, 65536)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = rf"{_PART}(?:/{_PART})*"
# A host without a dot is told from the first part of a path by its port.
_REGISTRY = re.compile(rf"(?:{_HOST}(?::(?P<port>{_PORT}))?|{_HOST_ALONE}:(?P<other_port>{_PORT}))(?P<path>/{_PATH})?")
_IMAGE = re.compile(
    rf"(?:(?:{_HOST}|{_HOST_ALONE})(?::{_PORT})?/)?{_PATH}(?::\w[-.\w]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)
_DEFAULT_PATH = "/aegis"


def registry(variable: str, given: str) -> str:
    """Return the place in a registry that the variable names: with a path of our own, where it names only the host.

    Raises:
        LocalError: It is no place in a registry; doesn't repeat what may hold a password.
    """
    _refuse_credentials(variable, given)
    found = _REGISTRY.fullmatch(given.rstrip("/"))
    if found is None or int(found["port"] or found["other_port"] or 1) not in _PORTS:
        raise LocalError(
            f"{variable} is {given!r}: it must be host[:port][/path] in lower case and without a scheme, such as "
            f"localhost:5001 or ghcr.io/acme/aegis."
        )
    return found[0] if found["path"] else found[0] + _DEFAULT_PATH


def image(variable: str, given: str) -> str:
    """Return the reference of an image that the variable names.

    Raises:
        LocalError: It is none.
    """
    if not _IMAGE.fullmatch(given):
        if "@sha256:" not in given:
            _refuse_credentials(variable, given)
        raise LocalError(
            f"{variable} is {given!r}: it must be the reference of an image, such as debian:bookworm-slim."
        )
    return given


def _refuse_credentials(variable: str, given: str) -> None:
    if "@" in given:
        raise LocalError(f"{variable} holds an @: leave user and password out, and log in to the registry beforehand.")


def is_plain_http(reference: str) -> bool:
    """Tell whether the registry of a reference is one of this very machine, which need have no certificate."""
    host = reference.partition("/")[0].rpartition(":")[0] or reference.partition("/")[0]
    return host in ("localhost", "[::1]") or re.fullmatch(r"127\.\d+\.\d+\.\d+", host) is not None
