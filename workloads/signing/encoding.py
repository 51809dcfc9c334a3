"""JSON and base64 as the files beside an archive use them: strict when read, always the same when written."""

import base64
import binascii
import json
import math
from typing import Any, Final, NoReturn

from workloads.signing.errors import NotVerifiedError

# Lists and objects within one another: far more than any run or manifest has, and far less than Python's stack bears.
_DEEPEST: Final = 64


def to_json(value: dict[str, Any]) -> bytes:
    """Return `value` as readable JSON that depends on nothing but its content."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def load_json(content: bytes) -> Any:  # noqa: ANN401 - whatever the text says
    """Return what strict JSON says; `to_json` can write all of it.

    Raises:
        ValueError: It is not JSON in UTF-8, or holds what doesn't survive: NaN and infinity, a number that becomes
            infinite, half of a surrogate pair, or lists and objects in one another more than 64 deep.
    """
    try:
        value = json.loads(content.decode(), parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError(f"it is nested more than {_DEEPEST} deep") from error
    _check(value, 0)
    return value


def parse_json(content: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object in `content`.

    Raises:
        NotVerifiedError: It is none.
    """
    try:
        value = load_json(content)
    except ValueError as error:
        raise NotVerifiedError(f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotVerifiedError(f"{name} is not a JSON object.")
    return value


def check_text(text: str) -> None:
    """Raise a `ValueError` when `text` cannot be written as UTF-8, as a name of other bytes can't."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r} is not text that UTF-8 can hold") from error


def decode(text: str | bytes, name: str) -> bytes:
    """Return the bytes of strict base64, of which there is one form only.

    Raises:
        NotVerifiedError: It is not base64 as an encoder writes it.
    """
    try:
        encoded = text.encode("ascii") if isinstance(text, str) else text
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise NotVerifiedError(f"{name} holds a signature that is not base64.") from error
    if base64.b64encode(decoded) != encoded:
        raise NotVerifiedError(f"{name} holds a signature that is not base64.")
    return decoded


def _check(value: object, depth: int) -> None:
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, list | dict):
        if depth == _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
        for name in value if isinstance(value, dict) else ():
            check_text(name)
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large for a number")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")
