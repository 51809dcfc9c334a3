"""What every message of a workload must be: one line that a terminal can show, without the value of a credential."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final

from contracts import Env

HIDDEN: Final = "***"

# Variables whose value is a credential: ours, and those of the clients of Vault, S3, PostgreSQL and MLflow.
_CREDENTIALS: Final = (
    Env.VAULT_TOKEN,
    Env.DATABASE_OWNER_PASSWORD,
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "PGPASSWORD",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)
# In characters: a server's page of HTML says no more than its first lines.
_LONGEST: Final = 2000
# Shorter values would blot out parts of plain words.
_SHORTEST: Final = 4
# `user:password@` of an address (RFC 3986, section 3.2.1).
_USER_INFO: Final = re.compile(r"(?<=://)[^\s/?#]*@")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def plain(text: str) -> str:
    """Return `text` as one line that a terminal can show and anybody may read."""
    # The credentials first: one that holds a line break, or is cut in two, would not be found afterwards.
    line = one_line(without_credentials(text))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def one_line(text: str) -> str:
    """Return `text` with blanks for its line breaks, and escapes for other characters that can't be shown."""
    return _UNPRINTABLE.sub(_escape, " ".join(text.splitlines()))


def without_credentials(text: str) -> str:
    """Return `text` with stars for the credentials of the environment and those in addresses."""
    for credential in sorted(set(_known()), key=len, reverse=True):
        text = text.replace(credential, HIDDEN)
    return _USER_INFO.sub(f"{HIDDEN}@", text)


def _known() -> Iterator[str]:
    for value in (*(os.environ.get(name, "") for name in _CREDENTIALS), *_bucket_keys()):
        for form in (value, value.strip()):
            if len(form) >= _SHORTEST:
                # A client may quote it as Python does.
                yield from (form, repr(form)[1:-1])


def _bucket_keys() -> Iterator[str]:
    try:
        owners: Any = json.loads(os.environ.get(Env.BUCKET_OWNERS, "[]"))
    except (ValueError, RecursionError):
        return
    for owner in owners if isinstance(owners, list) else ():
        key = owner.get("secret_key") if isinstance(owner, dict) else None
        if isinstance(key, str):
            yield key


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()
