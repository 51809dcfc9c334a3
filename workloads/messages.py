"""Clean-up of messages: one line of printable characters, without the value of any credential."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final

from contracts import Env

HIDDEN: Final = "***"

# Environment variables with credentials: ours, and those of the clients of Vault, S3, PostgreSQL and MLflow.
_CREDENTIALS: Final = (
    Env.VAULT_TOKEN,
    Env.DATABASE_OWNER_PASSWORD,
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "PGPASSWORD",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)
# In characters: an HTML error page says nothing useful after its first lines.
_LONGEST: Final = 2000
# In characters: hiding shorter values would remove parts of ordinary words.
_SHORTEST: Final = 4
# `user:password@` of an address (RFC 3986, section 3.2.1).
_USER_INFO: Final = re.compile(r"(?<=://)[^\s/?#]*@")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def plain(text: str) -> str:
    """Return `text` as one printable line without credentials, cut to 2,000 characters."""
    # Credentials first: one that contains a line break, or that is cut off, would not be found afterwards.
    line = one_line(without_credentials(text))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def one_line(text: str) -> str:
    """Return `text` with its line breaks replaced by blanks and other unprintable characters by escapes."""
    return _UNPRINTABLE.sub(_escape, " ".join(text.splitlines()))


def without_credentials(text: str) -> str:
    """Return `text` with stars in place of the environment's credentials and of those in URLs."""
    for credential in sorted(set(_credentials()), key=len, reverse=True):
        text = text.replace(credential, HIDDEN)
    return _USER_INFO.sub(f"{HIDDEN}@", text)


def _credentials() -> Iterator[str]:
    for value in (*(os.environ.get(name, "") for name in _CREDENTIALS), *_bucket_keys()):
        for form in (value, value.strip()):
            if len(form) >= _SHORTEST:
                # A client's error may show the value's repr.
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
