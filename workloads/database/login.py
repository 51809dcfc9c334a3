"""Logins to the database: with a password, or to RDS with a token of the pod's IAM role.

A token is a presigned URL for one host and one database user. It is created in this process in 0.2 ms, so each
connection gets a new one. RDS accepts it for 15 minutes; an open connection isn't affected. botocore gets the role's
credentials from STS and renews them. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

import functools
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from contracts import Env, Exit
from workloads import aws
from workloads.cli import WorkloadError

if TYPE_CHECKING:
    from botocore.client import BaseClient

# A token is a password: it must not reach a server whose certificate and name are unchecked.
SSL_MODE: Final = "verify-full"


class Auth(StrEnum):
    """The ways to log in."""

    IAM = "iam"
    PASSWORD = "password"  # noqa: S105 - the name of a way, not a password


def auth_from_env() -> Auth:
    """Return the way to log in that the environment sets; the default is a password.

    Raises:
        WorkloadError: It sets an unknown one.
    """
    auth = os.environ.get(Env.DATABASE_AUTH) or Auth.PASSWORD
    try:
        return Auth(auth)
    except ValueError:
        raise WorkloadError(f"{Env.DATABASE_AUTH} must be {' or '.join(Auth)}, got {auth!r}.", Exit.USAGE) from None


def token(host: str, port: int, user: str) -> str:
    """Return a token for `user`, valid for 15 minutes.

    Raises:
        WorkloadError: The environment names no region (`Exit.USAGE`), or the role is missing or can't be assumed
            (`Exit.DATABASE`).
    """
    region = _region()
    try:
        return _client(region).generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
    # An OSError means that the pod's token file can't be read.
    except (BotoCoreError, ClientError, OSError) as error:
        raise WorkloadError(
            f"A login token for {user} at {host} can't be created: {aws.reason(error)}", Exit.DATABASE
        ) from error


def require_checked_server(ssl_mode: str, name: str) -> None:
    """Refuse an `ssl_mode`, set by `name`, with which a token could reach another server than the database's.

    Raises:
        WorkloadError: It isn't `SSL_MODE`.
    """
    if ssl_mode != SSL_MODE:
        raise WorkloadError(f"{name} must be {SSL_MODE!r} for a login by token, got {ssl_mode!r}.", Exit.USAGE)


def _region() -> str:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise WorkloadError(
            "Neither AWS_REGION nor AWS_DEFAULT_REGION is set: set one to the database's region.", Exit.USAGE
        )
    return region


@functools.cache
def _client(region: str) -> "BaseClient":
    # Not boto3's default session: two threads can't create it at the same time, and a server has many.
    session = botocore.session.get_session()
    if os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        # Access keys beside a role are those of an S3 server in the cluster: RDS only knows the role.
        session.get_component("credential_provider").remove("env")
    return boto3.Session(botocore_session=session, region_name=region).client("rds")
