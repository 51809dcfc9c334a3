"""Versions of PostgreSQL that a stack may use: the major version of the clients in the images, or a minor version."""

import re
from typing import Final

import contracts

MAJOR: Final = str(contracts.POSTGRES_MAJOR)
_VERSION: Final = re.compile(rf"{MAJOR}(\.[1-9][0-9]*)?")
ALLOWED: Final = (
    f'"{MAJOR}", or with RDS one of its minor versions in quotes, such as "{MAJOR}.8": the image of the workloads has '
    f"pg_dump {MAJOR}, which can't dump a newer server, and an older server can't restore its dumps"
)


def checked(version: str) -> str:
    """Return `version` unchanged.

    Raises:
        ValueError: The images have no PostgreSQL client for the version.
    """
    if _VERSION.fullmatch(version) is None:
        raise ValueError(f"the version must be {ALLOWED}, got {version!r}.")
    return version


def family(version: str) -> str:
    """Return the RDS parameter group family of a version."""
    return f"postgres{version.partition('.')[0]}"


def is_pinned(version: str) -> bool:
    """Return whether `version` names a minor version, which RDS must not upgrade."""
    return "." in version
