"""JSON and base64 as the files beside an archive use them: strict when read, always the same when written."""

import base64
import binascii
import json
from typing import Any, NoReturn

from workloads.signing.errors import NotVerifiedError


def to_json(value: dict[str, Any]) -> bytes:
    """Return `value` as readable JSON that depends on nothing but its content."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def load_json(content: bytes) -> Any:  # noqa: ANN401 - whatever the text says
    """Return what strict JSON says.

    Raises:
        ValueError: It is not JSON; NaN and infinity, which Python writes, are not.
    """
    return json.loads(content, parse_constant=_refuse)


def parse_json(content: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object in `content`.

    Raises:
        NotVerifiedError: It is none.
    """
    try:
        value = load_json(content)
    except (ValueError, RecursionError) as error:
        raise NotVerifiedError(f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotVerifiedError(f"{name} is not a JSON object.")
    return value


def decode(text: str | bytes, name: str) -> bytes:
    """Return the bytes of strict base64.

    Raises:
        NotVerifiedError: It is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise NotVerifiedError(f"{name} holds a signature that is not base64.") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")
