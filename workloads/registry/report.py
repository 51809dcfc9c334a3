"""The comparison as one HTML file that opens without a network: a table, and plots of the metrics' curves."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from workloads import messages
from workloads.cli import file_error
from workloads.mlflow_client import Tracking
from workloads.registry import curves, plots, values
from workloads.registry.comparison import Comparison
from workloads.registry.replacing import replace
from workloads.registry.row import Detail, Row, telling, text

# Plots of a page, unless more metrics are named.
PLOTS: Final = 24

_TEMPLATE: Final = Path(__file__).with_name("report.html")
# The column that the row's name stands for.
_NAMES: Final = {"runs": "run_name", "versions": "version"}
_TITLES: Final = {"runs": "Run", "versions": "Version"}


def write(path: Path, tracking: Tracking, comparison: Comparison, most_plots: int, now: datetime) -> None:
    """Write the page to `path`, which keeps its old content if anything fails. `now` is shown in it.

    Raises:
        WorkloadError: The path can't be written (`Exit.USAGE`), or MLflow doesn't answer (`Exit.MLFLOW`).
    """
    content = page(tracking, comparison, most_plots, now).encode("utf-8", "backslashreplace")
    try:
        replace(path.resolve(), content)
    except OSError as error:
        raise file_error(path, "written", error) from error


def page(tracking: Tracking, comparison: Comparison, most_plots: int, now: datetime) -> str:
    """Return the page with at most `most_plots` plots of the first rows.

    Raises:
        WorkloadError: MLflow doesn't answer (`Exit.MLFLOW`).
    """
    drawn = comparison.metrics[:most_plots]
    coloured = comparison.rows[: len(plots.COLOURS)]
    return render(
        _TEMPLATE,
        title=f"{comparison.kind.capitalize()} of the {comparison.subject}",
        subtitle=f"{tracking.name}, {now:%Y-%m-%d %H:%M} UTC. {comparison.summary}",
        first=_TITLES[comparison.kind],
        metrics=[{"name": metric, "direction": _direction(comparison, metric)} for metric in comparison.metrics],
        columns=[name.replace("_", " ") for name in _columns(comparison)],
        rows=list(_rows(comparison)),
        plots=[_plot(tracking, coloured, metric) for metric in drawn],
        notes=list(_notes(comparison, len(drawn), len(coloured))),
    )


def render(template: Path, **values: Any) -> str:  # noqa: ANN401 - what the template shows
    """Return a page of the style that all reports share; `template` fills the block `content` of `page.html`."""
    folders = jinja2.FileSystemLoader([template.parent, Path(__file__).parent])
    environment = jinja2.Environment(loader=folders, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(template.name).render(values)


def _direction(comparison: Comparison, metric: str) -> str:
    return {True: "higher is better", False: "lower is better", None: ""}[comparison.maximize.get(metric)]


def _columns(comparison: Comparison) -> list[str]:
    """Return the details behind the metrics: those that the row's name doesn't show."""
    return [name for name in telling(comparison.rows) if name != _NAMES[comparison.kind]]


def _rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    best = {metric: comparison.best(metric) for metric in comparison.metrics}
    colours = [*plots.COLOURS, *[""] * len(comparison.rows)]
    for row, colour in zip(comparison.rows, colours, strict=False):
        yield {
            "name": messages.one_line(row.name),
            "colour": colour,
            "values": [_value(row.metrics.get(metric), best[metric]) for metric in comparison.metrics],
            "cells": [_cell(name, row.details[name]) for name in _columns(comparison)],
        }


def _value(value: float | None, best: float | None) -> dict[str, Any]:
    return {
        "text": values.shown(value),
        "best": value is not None and value == best,
        "odd": value is None or not values.is_finite(value),
    }


def _cell(name: str, value: Detail) -> dict[str, Any]:
    tags = value if isinstance(value, tuple) else ()
    return {"id": name == "run_id", "tags": tags, "text": "" if tags else text(value)}


def _plot(tracking: Tracking, rows: Sequence[Row], metric: str) -> dict[str, Any]:
    numbered = {number: row for number, row in enumerate(rows) if metric in row.metrics}
    drawn = plots.plot(_histories(tracking, numbered, metric))
    svg, axis = drawn or ("", "")
    # The plot is made here, from numbers only.
    return {"metric": metric, "svg": Markup(svg), "axis": axis}  # noqa: S704


def _histories(tracking: Tracking, rows: Mapping[int, Row], metric: str) -> dict[int, Sequence[curves.Point]]:
    run_ids = sorted({row.run_id for row in rows.values() if row.run_id})
    found = curves.read(tracking, run_ids, metric) if run_ids else {}
    # A logged model may have a value that its run doesn't have.
    return {number: found.get(row.run_id) or [curves.Point(0, 0, row.metrics[metric])] for number, row in rows.items()}


def _notes(comparison: Comparison, drawn: int, coloured: int) -> Iterator[str]:
    if drawn:
        yield f"A curve has at most {curves.POINTS} points, evenly sampled from the metric's history."
    if len(comparison.rows) > coloured:
        yield f"The curves are those of the first {coloured} of {len(comparison.rows)} rows."
    if len(comparison.metrics) > drawn:
        yield f"The curves are those of the first {drawn} of {len(comparison.metrics)} metrics."
