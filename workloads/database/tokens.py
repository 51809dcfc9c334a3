"""The login to RDS without a password: a token of the pod's AWS role, for one host and one database role.

A token is a presigned address, made in this process in 0.2 ms, so every connection gets one of its own and none is
kept. RDS takes it for 15 minutes; a connection that is open stays so. botocore asks STS for the role's credentials and
renews them. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

import functools
import os
from typing import TYPE_CHECKING, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from contracts import Exit
from workloads import aws
from workloads.cli import WorkloadError

if TYPE_CHECKING:
    from botocore.client import BaseClient

# A token is a password: it goes to no server whose certificate and name weren't checked.
SSL_MODE: Final = "verify-full"


def token(host: str, port: int, user: str) -> str:
    """Return a password for `user`, good for 15 minutes.

    Raises:
        WorkloadError: The environment names no region (`Exit.USAGE`), or there is no role or it can't be assumed
            (`Exit.DATABASE`).
    """
    region = _region()
    try:
        return _client(region).generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
    # An OSError is a token file of the pod that can't be read.
    except (BotoCoreError, ClientError, OSError) as error:
        raise WorkloadError(
            f"There is no login token for {user} at {host}: {aws.reason(error)}", Exit.DATABASE
        ) from error


def require_checked_server(ssl_mode: str, name: str) -> None:
    """Refuse a `ssl_mode`, given as `name`, with which a token could reach a server that isn't the database's.

    Raises:
        WorkloadError: It isn't `SSL_MODE`.
    """
    if ssl_mode != SSL_MODE:
        raise WorkloadError(f"{name} is {ssl_mode!r}: a login by token allows {SSL_MODE!r} only.", Exit.USAGE)


def _region() -> str:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise WorkloadError("Neither AWS_REGION nor AWS_DEFAULT_REGION is set: it is the database's.", Exit.USAGE)
    return region


@functools.cache
def _client(region: str) -> "BaseClient":
    # A session of its own: boto3's default one isn't safe to make in two threads, and a server's are many.
    return boto3.Session(region_name=region).client("rds")
