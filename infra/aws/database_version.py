"""Which PostgreSQL RDS is asked for: the major version that the images have a client for, or a minor one of it."""

import re
from typing import Final

import contracts

MAJOR: Final = str(contracts.POSTGRES_MAJOR)
_VERSION: Final = re.compile(rf"{MAJOR}(\.[1-9][0-9]*)?")
ALLOWED: Final = (
    f'"{MAJOR}", or with RDS one of its minor versions in quotes, such as "{MAJOR}.8": the image of the workloads has '
    f"pg_dump {MAJOR}, which can't dump a newer server, and whose dumps an older one doesn't take"
)


def checked(version: str) -> str:
    """Return `version`.

    Raises:
        ValueError: The images have no client for it.
    """
    if _VERSION.fullmatch(version) is None:
        raise ValueError(f"the version is {version!r}: allowed is {ALLOWED}.")
    return version


def family(version: str) -> str:
    """Return the family of RDS's parameter groups for a version."""
    return f"postgres{version.partition('.')[0]}"


def is_pinned(version: str) -> bool:
    """Tell whether a version names a minor one, which RDS must then leave as it is."""
    return "." in version
