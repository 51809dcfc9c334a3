"""GitHub Markdown around foreign text, which must neither act as markup nor mention anyone."""

import re
from collections.abc import Iterable
from typing import Final

_MARKUP: Final = re.compile(r"([\\`*_~\[\]<>|#&])")
# A zero-width character between @ and a name, so that GitHub notifies no one.
_NO_MENTION: Final = "@\N{ZERO WIDTH NON-JOINER}"


def plain(text: str) -> str:
    """Return a text on one line, escaped for a sentence."""
    return _MARKUP.sub(r"\\\1", " ".join(_encodable(text).split())).replace("@", _NO_MENTION)


def code(text: str) -> str:
    """Return a text on one line, as code."""
    line = " ".join(_encodable(text).split()).replace("`", "'")
    return f"`{line}`"


def block(text: str, most: int) -> str:
    """Return a text as a code block, without its middle if it has more than `most` characters."""
    text = _encodable(text)
    if len(text) > most:
        half = most // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"
    longest_run = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest_run + 1)
    return f"{fence}\n{text}\n{fence}"


def row(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def left_out(count: int, noun: str) -> list[str]:
    """Return the line that counts the things that aren't shown; no line if `count` is 0."""
    if count <= 0:
        return []
    return [f"… and {count:,} more {noun}{'' if count == 1 else 's'}"]


def _encodable(text: str) -> str:
    """Return a text with a `?` for each unpaired surrogate, which JSON allows and UTF-8 doesn't."""
    return text.encode(errors="replace").decode()
