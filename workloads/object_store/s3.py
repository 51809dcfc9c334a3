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
from workloads import aws
from workloads.cli import WorkloadError

ATTEMPTS = 5
# What the client raises.
ERRORS = (BotoCoreError, Boto3Error, ClientError)


def connect() -> BaseClient:
    """Return a client for S3, or for the store whose address the environment has."""
    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    return boto3.client("s3", config=Config(connect_timeout=5, read_timeout=60, retries=retries))


def failure(bucket: str, error: Exception) -> WorkloadError:
    """Return what to raise for one of `ERRORS` of a request to `bucket`; exits with `Exit.OBJECT_STORE`."""
    # boto3's transfers wrap what S3 refused.
    cause = error.__context__ if isinstance(error, Boto3Error) and isinstance(error.__context__, ClientError) else error
    place = os.environ.get(Env.S3_ENDPOINT) or os.environ.get("AWS_ENDPOINT_URL") or "AWS"
    return WorkloadError(f"s3://{bucket} at {place} can't be used: {aws.reason(cause)}", Exit.OBJECT_STORE)
