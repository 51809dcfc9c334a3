"""The workloads' S3 client and its one-line errors.

botocore finds the credentials: static keys in the environment, or the pod's IAM role.
"""

import os

import boto3
from boto3.exceptions import Boto3Error
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts import Env, Exit
from workloads import aws, credentials
from workloads.cli import WorkloadError, require_address

# botocore waits a random part of 1, 2, 4, 8, 16 and 20 s between them: a network policy may take seconds to let a new
# pod through, and five attempts were seen to end before.
ATTEMPTS = 7
_SENT = ("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")
_SECRET_KEY = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the name of a variable
_ENDPOINTS = (Env.S3_ENDPOINT, "AWS_ENDPOINT_URL")
# The errors that the client raises.
ERRORS = (BotoCoreError, Boto3Error, ClientError)


def connect() -> BaseClient:
    """Return a client of AWS S3, or of the S3 server whose address the environment sets.

    Raises:
        WorkloadError: A value in the environment is unusable; the message names the variable.
    """
    # botocore reads the variables itself, and its error about an invalid header would show a credential.
    credentials.settle(*_SENT)
    if _SECRET_KEY in os.environ:
        os.environ[_SECRET_KEY] = secret_key(os.environ[_SECRET_KEY], _SECRET_KEY)
    for name in _ENDPOINTS:
        if os.environ.get(name):
            require_address(name, "the address of the object store")
    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    try:
        # boto3's default session would keep the credentials with which the process first connected.
        return boto3.Session().client("s3", config=Config(connect_timeout=5, read_timeout=60, retries=retries))
    except ValueError as error:
        raise WorkloadError(f"The AWS_* variables can't be used: {error}", Exit.USAGE) from error


def secret_key(value: str, name: str) -> str:
    """Return a secret key, which signs requests and is never sent, without surrounding white space.

    Raises:
        WorkloadError: It contains a control character; the message gives `name`, not the value.
    """
    value = value.strip()
    if not value.isprintable():
        raise WorkloadError(f"{name} contains a line break or another control character: remove it.", Exit.USAGE)
    return value


def failure(bucket: str, error: Exception) -> WorkloadError:
    """Return the error to raise for one of `ERRORS` on a request to `bucket`; its exit code is `Exit.OBJECT_STORE`."""
    # boto3's transfers wrap the error of S3.
    cause = error.__context__ if isinstance(error, Boto3Error) and isinstance(error.__context__, ClientError) else error
    place = os.environ.get(Env.S3_ENDPOINT) or os.environ.get("AWS_ENDPOINT_URL") or "AWS"
    return WorkloadError(f"s3://{bucket} at {place} can't be used: {aws.reason(cause)}", Exit.OBJECT_STORE)
