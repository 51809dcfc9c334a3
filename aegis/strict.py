"""Strict JSON and base64 for files that must be read before they can be trusted."""

import base64
import binascii
import json
import math
from typing import Any, Final, NoReturn

from aegis.errors import NotVerifiedError

# Nested lists and objects: far more than any run or manifest has, and far less than Python's stack allows.
_DEEPEST: Final = 64


def to_json(value: dict[str, Any]) -> bytes:
    """Return `value` as indented JSON; equal values give equal bytes."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def load_json(content: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    """Parse strict JSON, all of which `to_json` can write.

    Raises:
        ValueError: It isn't JSON in UTF-8, or holds a value that can't be written again: NaN, infinity, a number that
            overflows, half of a surrogate pair, or lists and objects nested more than 64 deep.
    """
    if isinstance(content, str):
        # Half of a surrogate pair gives bytes that are not UTF-8, and so is refused below.
        content = content.encode("utf-8", "surrogatepass")
    try:
        value = json.loads(content.decode(), parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError(f"it is nested more than {_DEEPEST} deep") from error
    _check(value, 0)
    return value


def parse_json(content: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object in `content`, which messages call `name`.

    Raises:
        NotVerifiedError: It isn't a JSON object.
    """
    try:
        value = load_json(content)
    except ValueError as error:
        raise NotVerifiedError(f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotVerifiedError(f"{name} is not a JSON object.")
    return value


def check_text(text: str) -> None:
    """Raise a `ValueError` if `text` can't be written as UTF-8, such as a file name of other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r} is not text that UTF-8 can hold") from error


def decode(text: str | bytes, name: str) -> bytes:
    """Return the bytes of strict base64, in its one canonical form.

    Raises:
        NotVerifiedError: It isn't base64 as an encoder writes it.
    """
    try:
        encoded = text.encode("ascii") if isinstance(text, str) else text
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise NotVerifiedError(f"{name} is not base64 as an encoder writes it.") from error
    if base64.b64encode(decoded) != encoded:
        raise NotVerifiedError(f"{name} is not base64 as an encoder writes it.")
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
