"""The S3 client of the workloads, and its failures as one clear line.

Who it logs in as is botocore's to find: static keys in the environment, or the pod's AWS role.
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

ATTEMPTS = 5
_SENT = ("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")
_SECRET_KEY = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the name of a variable
_ENDPOINTS = (Env.S3_ENDPOINT, "AWS_ENDPOINT_URL")
# What the client raises.
ERRORS = (BotoCoreError, Boto3Error, ClientError)


def connect() -> BaseClient:
    """Return a client for S3, or for the store whose address the environment has.

    Raises:
        WorkloadError: The environment holds what no client can use; the message names the variable.
    """
    # botocore reads them itself, and would show one in its error about a header that can't be sent.
    credentials.settle(*_SENT)
    if _SECRET_KEY in os.environ:
        os.environ[_SECRET_KEY] = secret_key(os.environ[_SECRET_KEY], _SECRET_KEY)
    for name in _ENDPOINTS:
        if os.environ.get(name):
            require_address(name, "the address of the object store")
    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    try:
        return boto3.client("s3", config=Config(connect_timeout=5, read_timeout=60, retries=retries))
    except ValueError as error:
        raise WorkloadError(f"The AWS_* variables can't be used: {error}", Exit.USAGE) from error


def secret_key(value: str, name: str) -> str:
    """Return a secret key, which signs and is never sent, without the white space around it.

    Raises:
        WorkloadError: It holds a control character; the message gives `name` and never the value.
    """
    value = value.strip()
    if not value.isprintable():
        raise WorkloadError(f"{name} holds a line break or another control character: write it without.", Exit.USAGE)
    return value


def failure(bucket: str, error: Exception) -> WorkloadError:
    """Return what to raise for one of `ERRORS` of a request to `bucket`; exits with `Exit.OBJECT_STORE`."""
    # boto3's transfers wrap what S3 refused.
    cause = error.__context__ if isinstance(error, Boto3Error) and isinstance(error.__context__, ClientError) else error
    place = os.environ.get(Env.S3_ENDPOINT) or os.environ.get("AWS_ENDPOINT_URL") or "AWS"
    return WorkloadError(f"s3://{bucket} at {place} can't be used: {aws.reason(cause)}", Exit.OBJECT_STORE)
