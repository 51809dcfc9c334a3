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
    # Of the tracking server.
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE",
)
# In characters: an HTML error page says nothing useful after its first lines.
_LONGEST: Final = 2000
# In characters: hiding shorter values would remove parts of ordinary words.
_SHORTEST: Final = 4
# `user:password@` of an address (RFC 3986, section 3.2.1).
_USER_INFO: Final = re.compile(r"(?<=://)[^\s/?#]*@")
# The parameters that make an address a key (AWS Signature Version 4, or a key itself), and the values of headers with
# credentials, as in a request, in a dictionary, in a list of pairs or in JSON. Libraries log both at the level DEBUG.
_PARAMETERS: Final = re.compile(
    r"(?i)(\b(?:X-Amz-(?:Signature|Credential|Security-Token)|Signature)"
    r"|(?<=[?&])(?:key|api[-_]?key|token|access_token|sig|secret|password))=[^&\s'\"]+"
)
_HEADERS: Final = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-vault-token|x-amz-security-token|(?:x-goog-)?api-key)\b"
    r"([\"']\s*,\s*(?=b?[\"'])|[\"']?\s*[:=]\s*)(?:b?\"[^\"]*\"?|b?'[^']*'?|[^\r\n]+)"
)
# The values of a statement that failed, as SQLAlchemy's errors and PostgreSQL's details show them. A detail may have
# several lines: it ends at an empty one, or where SQLAlchemy shows the statement.
_VALUES: Final = re.compile(r"\[parameters: [^\r\n]*")
_DETAIL: Final = re.compile(r"\b(DETAIL: +(?:Key|Failing row) ).*?(?=\n\n|\n\[SQL|\Z)", re.DOTALL)
# What follows the host of an address, and the path of a request, but not that of a file in a traceback.
_AFTER_HOST: Final = re.compile(r"(?<=://)([^\s/?#'\"]+)[/?#][^\s'\"]*")
_PATH: Final = re.compile(r"(?<![^\s'\"(=])(?<!File \")/[^\s'\")]+")
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
    """Return `text` with stars in place of the environment's credentials and of those in URLs and headers."""
    for credential in sorted(set(_credentials()), key=len, reverse=True):
        text = text.replace(credential, HIDDEN)
    text = _USER_INFO.sub(f"{HIDDEN}@", text)
    text = _VALUES.sub(f"[parameters: {HIDDEN}]", text)
    text = _DETAIL.sub(rf"\1{HIDDEN}", text)
    text = _PARAMETERS.sub(rf"\1={HIDDEN}", text)
    return _HEADERS.sub(rf"\1\2{HIDDEN}", text)


def without_paths(text: str) -> str:
    """Return `text` with the scheme and host of each address only: the path of a webhook may be its credential."""
    return _PATH.sub(f"/{HIDDEN}", _AFTER_HOST.sub(rf"\1/{HIDDEN}", text))


def _credentials() -> Iterator[str]:
    for value in (*(os.environ.get(name, "") for name in _CREDENTIALS), *_bucket_keys()):
        for form in (value, value.strip()):
            if len(form) >= _SHORTEST:
                # A client's error may show the value's repr.
                yield from (form, repr(form)[1:-1])


def _bucket_keys() -> Iterator[str]:
    for name in (Env.BUCKET_OWNERS, Env.EXPORTER_BUCKETS):
        yield from _keys_in(os.environ.get(name, "[]"))


def _keys_in(text: str) -> Iterator[str]:
    try:
        owners: Any = json.loads(text)
    except (ValueError, RecursionError):
        return
    for owner in owners if isinstance(owners, list) else ():
        key = owner.get("secret_key") if isinstance(owner, dict) else None
        if isinstance(key, str):
            yield key


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()
