"""The command that creates the platform's buckets on its own S3 server, each with the one S3 user that may use it."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from botocore.credentials import Credentials

from contracts import Env, Exit
from workloads import cli, credentials
from workloads.cli import WorkloadError, require_address, require_env
from workloads.object_store import s3
from workloads.object_store.admin import Admin

EPILOG = f"""Run again, the command changes nothing, except that a new secret key in the list replaces the S3 user's.

environment:
  {Env.BUCKET_OWNERS}  JSON list of {{"bucket": NAME, "access_key": KEY, "secret_key": KEY}}
  {Env.S3_ENDPOINT}, AWS_DEFAULT_REGION  the S3 server and its region
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY  the root user of the S3 server

exit codes:
  {Exit.USAGE:d} bad input, {Exit.OBJECT_STORE:d} the S3 server doesn't answer or refuses
"""
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_FIELDS = ("bucket", "access_key", "secret_key")


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketOwner:
    """A bucket and the keys of the S3 user that owns it."""

    bucket: str
    access_key: str
    secret_key: str = field(repr=False)


def parse(text: str) -> list[BucketOwner]:
    """Return the owners that `text` lists; errors never show its secrets.

    Raises:
        WorkloadError: It isn't a JSON list of objects with exactly the three fields, or has a bucket name or a key that
            S3 doesn't allow.
    """
    wrong = WorkloadError(f"{Env.BUCKET_OWNERS} must be a JSON list of objects with {', '.join(_FIELDS)}.", Exit.USAGE)
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        raise wrong from None
    if not isinstance(listed, list) or not listed:
        raise wrong
    for entry in listed:
        if not isinstance(entry, dict) or set(entry) != set(_FIELDS):
            raise wrong
        if not all(isinstance(value, str) and value for value in entry.values()):
            raise wrong
        if not _BUCKET.fullmatch(entry["bucket"]):
            raise WorkloadError(f"{Env.BUCKET_OWNERS}: {entry['bucket']!r} is not a valid bucket name.", Exit.USAGE)
        source = f"{Env.BUCKET_OWNERS}: the key of {entry['bucket']}"
        entry["access_key"] = credentials.checked(entry["access_key"], source)
        entry["secret_key"] = s3.secret_key(entry["secret_key"], source)
    return [BucketOwner(**entry) for entry in listed]


def prepare(admin: Admin, owners: Sequence[BucketOwner]) -> None:
    """Create each S3 user and then its bucket."""
    for owner in owners:
        admin.ensure_user(owner.access_key, owner.secret_key)
        admin.ensure_bucket(owner.bucket, owner.access_key)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser("workloads.object_store.prepare", "Create the platform's buckets and their owners.", EPILOG)
    parser.parse_args(argv)
    owners = parse(require_env(Env.BUCKET_OWNERS, "the buckets to create and their owners"))
    admin = Admin(
        require_address(Env.S3_ENDPOINT, "the address of the object store"),
        _region(),
        Credentials(
            credentials.checked(
                require_env("AWS_ACCESS_KEY_ID", "the access key of the S3 server's root user"), "AWS_ACCESS_KEY_ID"
            ),
            s3.secret_key(
                require_env("AWS_SECRET_ACCESS_KEY", "the secret key of the root user"), "AWS_SECRET_ACCESS_KEY"
            ),
        ),
    )
    prepare(admin, owners)
    for owner in owners:
        print(f"{owner.bucket}: owned by {owner.access_key}")
    return Exit.OK


def _region() -> str:
    region = os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    if not re.fullmatch("[A-Za-z0-9-]+", region):
        raise WorkloadError(f"AWS_DEFAULT_REGION must be the name of a region, got {region!r}.", Exit.USAGE)
    return region


if __name__ == "__main__":
    cli.run(main)
