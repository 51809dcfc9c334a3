"""The administrator of a managed database, whose password RDS keeps and rotates in Secrets Manager.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html
"""

import json
import re
from dataclasses import dataclass, field
from typing import Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from contracts import Env, Exit
from workloads import aws, retry
from workloads.cli import WorkloadError

# AWS denies a new role at first: these attempts give it half a minute to become known everywhere.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
_ATTEMPTS: Final = 7
_ARN = re.compile(r"arn:[^:]+:secretsmanager:(?P<region>[^:]+):\d+:secret:.+")


class _UnavailableError(Exception):
    """A transient failure to read the secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Administrator:
    """The login of the role that may create roles and databases."""

    user: str
    password: str = field(repr=False)


def read(arn: str) -> Administrator:
    """Return the administrator from the secret `arn`.

    Raises:
        WorkloadError: `arn` is not a secret's ARN (`Exit.USAGE`), or the secret can't be read or has no user and
            password (`Exit.DATABASE`).
    """
    match = _ARN.fullmatch(arn)
    if match is None:
        raise WorkloadError(f"{Env.DATABASE_ADMIN_SECRET} must be the ARN of a secret, got {arn!r}.", Exit.USAGE)
    text = retry.call(
        lambda: _text(arn, match["region"]),
        service=f"The administrator's secret {arn}",
        code=Exit.DATABASE,
        transient=(_UnavailableError,),
        attempts=_ATTEMPTS,
    )
    try:
        values = json.loads(text)
        user, password = values["username"], values["password"]
        if not isinstance(user, str) or not isinstance(password, str):
            raise TypeError
        return Administrator(user=user, password=password)
    except (ValueError, KeyError, TypeError, RecursionError):
        # Without the cause, which would show the secret's text.
        raise WorkloadError(f"The secret {arn} must be JSON with username and password.", Exit.DATABASE) from None


def _text(arn: str, region: str) -> str:
    try:
        client = boto3.Session(region_name=region).client("secretsmanager")
        return client.get_secret_value(SecretId=arn).get("SecretString", "")
    except (BotoCoreError, ClientError, OSError) as error:
        raise _UnavailableError(aws.reason(error)) from error
