"""The command of the emulator's process, its URL and its credentials."""

import json
import secrets
import string
import sys
import urllib.request
from pathlib import Path

import contracts
from local import paths
from local.aws.account import ACCOUNT_ENV, Account

READY_PATH = "/aegis/ready"
# The format of a user's access key: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
_PREFIX = "AKIA"
_ALPHABET = string.ascii_uppercase + "234567"


def command(file: Path) -> tuple[str, ...]:
    """Return the command that serves the account in a file."""
    return (sys.executable, "-m", "local.aws.serve", f"--account={file}")


def server_environment(account: Account) -> dict[str, str]:
    """Return the environment variables of the emulator's process."""
    return {
        ACCOUNT_ENV: account.account_id,
        "PYTHONPATH": str(paths.REPOSITORY),
        "PYTHONUNBUFFERED": "1",
    }


def new_keys() -> dict[str, str]:
    """Generate an access key and secret key for the account's administrator."""
    access_key = _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return {"access_key": access_key, "secret_key": secrets.token_urlsafe(30)}


def environment(account: Account) -> dict[str, str]:
    """Return the environment variables that make callers the account's administrator."""
    return {
        contracts.AWS_ENDPOINT_ENV: account.url,
        "AWS_ENDPOINT_URL": account.url,
        "AWS_ACCESS_KEY_ID": account.access_key,
        "AWS_SECRET_ACCESS_KEY": account.secret_key,
        "AWS_REGION": account.region,
        "AWS_DEFAULT_REGION": account.region,
        # Ignore the caller's own settings, and the metadata service if this machine runs in a cloud.
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def identity(account: Account) -> str:
    """Return an ID that changes if the account is created again."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{account.url}{READY_PATH}", timeout=5) as answer:
        return json.load(answer)["identity"]
