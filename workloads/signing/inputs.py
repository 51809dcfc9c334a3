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

# A manifest of some 1.5 million files; what lies beside an archive is read before it can be trusted.
LARGEST_BYTES = 256 << 20
# Lists and objects within one another: far more than any run or manifest has, and far less than Python's stack bears.
_DEEPEST: Final = 64


class NotVerifiedError(WorkloadError):
    """What was checked is not what was signed; the text is the reason, and the process exits with `NOT_VERIFIED`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, Exit.NOT_VERIFIED)


class UnfitFileError(OSError):
    """A file that is there and will not be read; the text says what it is."""


def problem(path: Path, error: OSError) -> str:
    """Return the line that says why `path` was not read."""
    return f"{path} {error}" if isinstance(error, UnfitFileError) else f"{path} cannot be read: {error.strerror}"


def open_regular(path: Path) -> io.FileIO:
    """Open a regular file for reading, unbuffered; a pipe that nobody writes to is no reason to wait.

    Raises:
        OSError: It can't be opened, or is no regular file.
    """
    return io.FileIO(path, opener=_regular)


def read_regular(path: Path, limit: int = LARGEST_BYTES) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: It can't be read, is no regular file, or has more than `limit` bytes.
    """
    with open_regular(path) as stream:
        return _bounded(stream.read(limit + 1), limit)


def read_any(path: Path, limit: int) -> bytes:
    """Return what `path` holds; it may be a pipe, as a shell's `<(command)` is.

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
