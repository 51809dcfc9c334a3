"""GitHub's Markdown around text that others wrote: none of it is read as markup, nor mentions anybody."""

import re
from collections.abc import Iterable
from typing import Final

_MARKUP: Final = re.compile(r"([\\`*_~\[\]<>|#&])")
# Between an @ and a name, so that nobody is notified.
_NO_MENTION: Final = "@\N{ZERO WIDTH NON-JOINER}"


def plain(text: str) -> str:
    """Return one line of text for a sentence."""
    return _MARKUP.sub(r"\\\1", " ".join(_whole(text).split())).replace("@", _NO_MENTION)


def code(text: str) -> str:
    """Return one line of text as it is."""
    line = " ".join(_whole(text).split()).replace("`", "'")
    return f"`{line}`"


def block(text: str, most: int) -> str:
    """Return several lines of text as they are, without their middle if they have more than `most` characters."""
    text = _whole(text)
    if len(text) > most:
        half = most // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half:,} characters are left out here …\n{text[-half:]}"
    longest_run = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest_run + 1)
    return f"{fence}\n{text}\n{fence}"


def row(cells: Iterable[str]) -> str:
    """Return a line of a table."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def left_out(count: int, noun: str) -> list[str]:
    """Return the sentence about `count` things that aren't shown; none if there are none."""
    if count <= 0:
        return []
    return [f"… and {count:,} more {noun}{'' if count == 1 else 's'}"]


def _whole(text: str) -> str:
    """Return a text with a `?` for each half of a character, which JSON can hold and no file."""
    return text.encode(errors="replace").decode()
