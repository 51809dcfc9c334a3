"""Paths of artifacts, which must stay below their run's folder."""

import posixpath
import re
from typing import Final

from workloads.gateway.errors import UnprocessableError

# In bytes, of a whole path; object stores allow keys of 1,024 bytes, with the run's folder before the path.
LONGEST: Final = 800
# In bytes, of a part; file systems allow no more.
_LONGEST_PART: Final = 255
# A pattern counts characters, and so allows some more.
PATTERN: Final = r"^(?!\.{0,2}(/|$))(?!.*/\.{0,2}(/|$))(?![A-Za-z]:/)(?!.*[^/]{256})[^\x00-\x1f\x7f-\x9f\\#?%]{1,800}$"
ALLOWED: Final = (
    "a relative path of at most 800 bytes, in parts of at most 255, "
    "without empty parts, '.', '..', control characters, and \\ # ? %"
)
_COMPILED: Final = re.compile(PATTERN)


def checked(path: str) -> str:
    """Return a relative path.

    A percent sign is not allowed, so that no server on the way can decode a path into another one.

    Raises:
        UnprocessableError: It is empty, absolute, leaves its folder, or contains characters that not every store keeps.
    """
    content = path.encode(errors="replace")
    fits = len(content) <= LONGEST and all(len(part) <= _LONGEST_PART for part in content.split(b"/"))
    if not (fits and _COMPILED.fullmatch(path)):
        raise UnprocessableError(f"The path of an artifact must be {ALLOWED}.")
    return path


def joined(folder: str, name: str) -> str:
    """Return the checked path of `name` in `folder`, which may be empty."""
    return checked(posixpath.join(folder, name) if folder else name)
