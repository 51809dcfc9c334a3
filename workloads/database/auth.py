"""How a role of the database logs in."""

import os
from enum import StrEnum

from contracts import Env, Exit
from workloads.cli import WorkloadError


class Auth(StrEnum):
    """A password that is kept, or tokens of an AWS role."""

    IAM = "iam"
    PASSWORD = "password"  # noqa: S105 - the name of a way, not a password


def from_env() -> Auth:
    """Return what the environment asks for; without a word it's a password.

    Raises:
        WorkloadError: It asks for something else.
    """
    given = os.environ.get(Env.DATABASE_AUTH) or Auth.PASSWORD
    try:
        return Auth(given)
    except ValueError:
        raise WorkloadError(f"{Env.DATABASE_AUTH} is {given!r}: allowed are {', '.join(Auth)}.", Exit.USAGE) from None
