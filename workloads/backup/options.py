"""Options, help and number formats that the backup commands share."""

import argparse
import re

from contracts import BACKUPS_PREFIX, Env, Exit
from workloads.backup.store import LATEST, BackupStore
from workloads.database.address import NAME_LIMIT

# In bytes: a key has at most 1024, and the names below the folder take fewer than 100.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_LONGEST_PREFIX = 900
_UNIT = 1000

ENVIRONMENT = f"""environment:
  {Env.BACKUPS_BUCKET}  bucket of the backups; {Env.S3_ENDPOINT} and the usual AWS_* variables give access
"""
DATABASE_ENVIRONMENT = f"""{ENVIRONMENT}\
  PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE  MLflow's database, and any other variable of libpq
  {Env.DATABASE_AUTH}  "iam" for tokens of the pod's IAM role instead of PGPASSWORD; needs PGSSLMODE=verify-full
"""
EXIT_CODES = f"""exit codes:
  {Exit.USAGE:d} bad input or refused, {Exit.NOT_VERIFIED:d} a backup is damaged or missing, \
{Exit.OBJECT_STORE:d} the object store failed, {Exit.DATABASE:d} the database failed,
  {Exit.INTERRUPTED:d} told to stop, and nothing unfinished is left
"""
CONSISTENCY = """the artifacts:
  A backup holds the database, not the artifact bucket. Keep that bucket versioned. After a restore, the artifacts of
  runs logged later than the backup are still in the bucket, but no row names them.
"""


def human(size: float) -> str:
    """Return a number of bytes in a readable form, such as "1.2 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < _UNIT:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _UNIT
    return f"{size:.1f} TB"


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that every backup command has."""
    parser.add_argument("--prefix", type=_prefix, default=BACKUPS_PREFIX, help="folder of the backups in the bucket")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_backup(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names one backup."""
    parser.add_argument(
        "backup", nargs="?", default=LATEST, metavar="ID", help=f'backup, as `list` shows it, or "{LATEST}"'
    )


def days(text: str) -> int:
    """Parse a number of days, at least 1."""
    if not re.fullmatch("0*[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number of days from 1 to 999999, got {text!r}")
    return int(text)


def name(text: str) -> str:
    """Parse the name of a role or a database."""
    if not text or not text.isprintable() or len(text.encode()) > NAME_LIMIT:
        raise argparse.ArgumentTypeError(f"must be 1 to {NAME_LIMIT} printable bytes, got {text!r}")
    return text


def _prefix(text: str) -> str:
    if not text.strip("/") or not text.isprintable() or len(text.encode()) > _LONGEST_PREFIX:
        raise argparse.ArgumentTypeError(
            f"must be a folder name of 1 to {_LONGEST_PREFIX} printable bytes, got {text!r}"
        )
    return text


def open_store(options: argparse.Namespace) -> BackupStore:
    """Return the store that the environment variables and the options name."""
    return BackupStore.from_env(options.prefix)
