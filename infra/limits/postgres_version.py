"""Versions of PostgreSQL that a stack may name: the major version of the images' client, or a minor version of it."""

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
    """Return `version`.

    Raises:
        ValueError: The images have no client for it.
    """
    if _VERSION.fullmatch(version) is None:
        raise ValueError(f"the version must be {ALLOWED}, got {version!r}.")
    return version


def family(version: str) -> str:
    """Return the parameter group family of RDS for a version."""
    return f"postgres{version.partition('.')[0]}"


def is_pinned(version: str) -> bool:
    """Return whether a version names a minor version, which RDS must then keep."""
    return "." in version
