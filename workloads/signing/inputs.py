"""Read what others wrote, strictly: the small files beside an archive, and the JSON and base64 in them."""

import base64
import binascii
import io
import json
import math
import os
import stat
from pathlib import Path
from typing import Any, Final, NoReturn

from contracts import Exit
from workloads.cli import WorkloadError

# A manifest of some 1.5 million files. Limited because these files are read before they can be trusted.
LARGEST_BYTES = 256 << 20
# Nested lists and objects: far more than any run or manifest has, and far less than Python's stack allows.
_DEEPEST: Final = 64


class NotVerifiedError(WorkloadError):
    """A check failed; the text is the reason, and the process exits with `Exit.NOT_VERIFIED`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, Exit.NOT_VERIFIED)


class UnfitFileError(OSError):
    """The file exists but must not be read; the text is the reason."""


def problem(path: Path, error: OSError) -> str:
    """Return the message for `path`, which could not be read."""
    return f"{path} {error}" if isinstance(error, UnfitFileError) else f"{path} cannot be read: {error.strerror}"


def open_regular(path: Path) -> io.FileIO:
    """Open a regular file for reading, unbuffered, without blocking on a pipe that has no writer.

    Raises:
        OSError: It can't be opened or isn't a regular file.
    """
    return io.FileIO(path, opener=_regular)


def read_regular(path: Path, limit: int = LARGEST_BYTES) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: It can't be read, isn't a regular file, or has more than `limit` bytes.
    """
    with open_regular(path) as stream:
        return _bounded(stream.read(limit + 1), limit)


def read_any(path: Path, limit: int) -> bytes:
    """Return the content of `path`, which may be a pipe such as a shell's `<(command)`.

    Raises:
        OSError: It can't be read, or has more than `limit` bytes.
    """
    with path.open("rb") as stream:
        return _bounded(stream.read(limit + 1), limit)


def _bounded(content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise UnfitFileError(f"is larger than {limit >> 20} MiB")
    return content


def _regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnfitFileError("is not a regular file")
    return descriptor


def to_json(value: dict[str, Any]) -> bytes:
    """Return `value` as indented JSON; equal values give equal bytes."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def load_json(content: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse strict JSON, all of which `to_json` can write.

    Raises:
        ValueError: It isn't JSON in UTF-8, or holds a value that can't be written again: NaN, infinity, a number that
            overflows, half of a surrogate pair, or lists and objects nested more than 64 deep.
    """
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
