"""Tables that a narrow window shows as cards: the style sheet turns each row into one, with its column names."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

# Gradio fills its templates with these characters.
_TEMPLATE: Final = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})
# Characters of a cell; the rest is in its title.
_LONGEST: Final = 120
_MINUTE: Final = 60
_HOUR: Final = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Badge:
    """A short state: `kind` is good, bad, busy or plain, and `more` what a pointer on it shows."""

    text: str
    kind: str = "plain"
    more: str = ""


Cell = str | Badge


def safe(text: str) -> str:
    """Return text that neither a browser nor Gradio's templates interpret."""
    return html.escape(text).translate(_TEMPLATE)


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, empty: str) -> str:
    """Return a table in HTML, or the sentence `empty` if it has no rows. The first column is the title of a card."""
    if not rows:
        return notice(empty)
    head = "".join(f'<th scope="col">{safe(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(_cell(*each) for each in zip(columns, row, strict=True))}</tr>" for row in rows)
    content = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="rows-around"><table class="rows">{content}</table></div>'


def notice(sentence: str, *, failed: bool = False) -> str:
    """Return a sentence to the user in HTML; nothing for an empty one."""
    if not sentence:
        return ""
    return f'<p class="notice{" failed" if failed else ""}" role="status">{safe(sentence)}</p>'


def _cell(column: str, cell: Cell) -> str:
    return f'<td data-label="{safe(column)}">{_content(cell)}</td>'


def _content(cell: Cell) -> str:
    if isinstance(cell, Badge):
        title = f' title="{safe(cell.more)}"' if cell.more else ""
        return f'<span class="badge {cell.kind}"{title}>{safe(cell.text)}</span>'
    if len(cell) > _LONGEST:
        return f'<span title="{safe(cell)}">{safe(cell[:_LONGEST])}…</span>'
    return safe(cell)


def number(value: float) -> str:
    """Return a number with four significant digits."""
    return f"{value:.4g}" if math.isfinite(value) else str(value)


def moment(milliseconds: int) -> str:
    """Return a time, in milliseconds since 1970, in UTC."""
    if not milliseconds:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def duration(milliseconds: int) -> str:
    """Return a duration in milliseconds in the units that fit it."""
    seconds = milliseconds / 1000
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.1f} min"
    return f"{seconds / _HOUR:.1f} h"
