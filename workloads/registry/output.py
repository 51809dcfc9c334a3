"""The comparison as a table, JSON or CSV."""

import csv
import io
import json
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from workloads.registry import values
from workloads.registry.comparison import Comparison
from workloads.registry.row import Detail, Row, telling, text

# In characters: names longer than this are cut in the table only.
_WIDEST: Final = 40
_BEST: Final = " *"


def table(comparison: Comparison) -> str:
    """Return a table for a terminal, with a star behind the best values."""
    best = {metric: comparison.best(metric) for metric in comparison.metrics}
    columns: dict[str, list[str]] = {}
    for name in telling(comparison.rows):
        columns |= _left_aligned(name, [_cut(text(row.details[name])) for row in comparison.rows])
    for metric in comparison.metrics:
        # A star's width is kept free, so that the digits stay below one another.
        title = f"{metric}{' ' * len(_BEST)}"
        columns[title] = [_marked(row.metrics.get(metric), best[metric]) for row in comparison.rows]
    with pd.option_context("display.unicode.east_asian_width", True):  # noqa: FBT003 - as pandas takes it
        lines = pd.DataFrame(columns).to_string(index=False).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def as_json(comparison: Comparison) -> str:
    """Return one line of strict JSON: NaN and infinities are strings, a missing value is null."""
    maximize = comparison.maximize
    return json.dumps(
        {
            "subject": comparison.subject,
            "complete": comparison.complete,
            "sort": comparison.order.sort,
            "best": {metric: _winners(comparison, metric) for metric in comparison.metrics if metric in maximize},
            "maximize": dict(maximize),
            comparison.kind: [_record(row, comparison.metrics) for row in comparison.rows],
        }
    )


def as_csv(comparison: Comparison) -> str:
    """Return a header and a line per row, as RFC 4180 writes them; a missing value is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*comparison.rows[0].details, *(f"metrics.{metric}" for metric in comparison.metrics)])
    for row in comparison.rows:
        exact = (values.exact(row.metrics.get(metric)) for metric in comparison.metrics)
        writer.writerow([*(_plain(detail) for detail in row.details.values()), *exact])
    return stream.getvalue()


def _record(row: Row, metrics: Sequence[str]) -> dict[str, Any]:
    details = {name: _jsonable(detail) for name, detail in row.details.items()}
    return details | {"metrics": {metric: values.exact(row.metrics.get(metric)) for metric in metrics}}


def _winners(comparison: Comparison, metric: str) -> list[Any]:
    """Return the first detail that identifies each row with the best value."""
    key, best = ("run_id" if comparison.kind == "runs" else "version"), comparison.best(metric)
    return [row.details[key] for row in comparison.rows if best is not None and row.metrics.get(metric) == best]


def _jsonable(detail: Detail) -> Any:  # noqa: ANN401 - a value of JSON
    match detail:
        case tuple():
            return list(detail)
        case None | bool() | str():
            return detail
    return detail.isoformat()


def _plain(detail: Detail) -> str:
    match detail:
        case None:
            return ""
        case bool():
            return "true" if detail else "false"
        case tuple():
            return " ".join(detail)
        case str():
            return detail
    return detail.isoformat()


def _marked(value: float | None, best: float | None) -> str:
    return f"{values.shown(value)}{_BEST if value is not None and value == best else ' ' * len(_BEST)}"


def _left_aligned(name: str, cells: Sequence[str]) -> dict[str, list[str]]:
    width = max(_columns_of(cell) for cell in (name, *cells))
    padded = [f"{cell}{' ' * (width - _columns_of(cell))}" for cell in (name, *cells)]
    return {padded[0]: padded[1:]}


def _columns_of(cell: str) -> int:
    """Return the width of a text on a terminal, where a wide character takes two columns."""
    return sum(2 if unicodedata.east_asian_width(character) in "FW" else 1 for character in cell)


def _cut(cell: str) -> str:
    return cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 3]}..."
