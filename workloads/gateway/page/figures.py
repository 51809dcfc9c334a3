"""Plots: pure functions from rows to figures in Plotly's JSON form, https://plotly.com/javascript/reference/.

Plotly's own classes check each attribute, which takes 50 times as long as everything else that the page does, and the
API would wait meanwhile. The tests check the figures with them.
"""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from workloads.gateway.page.rows import Point, Run

Figure = dict[str, Any]

# Ten colours that are told apart on white and on black, also with a colour vision deficiency (Petroff 2021,
# arXiv:2107.02270).
COLOURS: Final = (
    "#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#94a4a2", "#a96b59", "#e76300", "#717581", "#b9ac70", "#92dadd",
)  # fmt: skip
# From low to high, in three of them.
_SCALE: Final = ((0, "#3f90da"), (0.5, "#ffa90e"), (1, "#bd1f01"))
_GREY: Final = "#8a94a3"
_CLEAR: Final = "rgba(0, 0, 0, 0)"
_AXIS: Final = {"gridcolor": "rgba(138, 148, 163, 0.25)", "zeroline": False, "automargin": True}
_BUTTONS: Final = ("zoom", "pan", "select", "lasso", "toImage")
# Pixels.
_HEIGHT: Final = 420
_BAR: Final = 26
_AROUND_BARS: Final = 80
# The part of a row of bars that its title and its axis take.
_BETWEEN_BARS: Final = 0.3
# A parameter whose largest value is this many times its smallest gets a logarithmic axis.
_WIDE: Final = 50
# So many values of a parameter are written at its axis, instead of round numbers.
_FEW: Final = 7
# Characters of a name.
_LONGEST: Final = 28


def curves(histories: Mapping[str, Sequence[Point]], names: Mapping[str, str], metric: str) -> Figure:
    """Return the curves of a metric, by run, over the steps; `names` are the runs' names."""
    lines = [
        {
            "type": "scatter",
            "x": [point.step for point in points],
            "y": [point.value for point in points],
            "name": _short(names.get(run_id, run_id[:8])),
            "mode": "lines" if len(points) > 1 else "lines+markers",
            "line": {"color": COLOURS[index % len(COLOURS)], "width": 2},
        }
        for index, (run_id, points) in enumerate(histories.items())
    ]
    axes = {"xaxis": {**_AXIS, "title": {"text": "step"}}, "yaxis": {**_AXIS, "title": {"text": _short(metric)}}}
    return {"data": lines, "layout": _layout(axes)}


def search(runs: Sequence[Run], params: Sequence[str], metric: str) -> Figure:
    """Return parallel coordinates: a line for each run that has the metric, through its parameters to the metric."""
    finished = [run for run in runs if _has(run, metric)]
    values = [run.metrics[metric] for run in finished]
    dimensions = [_dimension(name, [run.params.get(name, "") for run in finished]) for name in params]
    lines = {
        "type": "parcoords",
        "dimensions": [*dimensions, {"label": _short(metric), "values": values}],
        "line": {"color": values, "colorscale": _SCALE},
        # By default, each letter has a shadow, which blurs small ones.
        "labelfont": {"size": 12, "shadow": "none"},
        "tickfont": {"size": 11, "shadow": "none"},
        "rangefont": {"size": 1, "color": _CLEAR},
    }
    return {"data": [lines], "layout": _layout({"margin": {"l": 52, "r": 44, "t": 56, "b": 16}})}


def comparison(runs: Sequence[Run], metrics: Sequence[str]) -> Figure:
    """Return the last values of metrics as bars, one row of plots for each metric, because their scales differ."""
    bars, titles, axes = [], [], {}
    for row, metric in enumerate(metrics):
        measured = [index for index, run in enumerate(runs) if _has(run, metric)]
        number = str(row + 1) if row else ""
        bars.append(
            {
                "type": "bar",
                "orientation": "h",
                "x": [runs[index].metrics[metric] for index in measured],
                # Two runs may have one name.
                "y": [f"{_short(runs[index].name)} · {runs[index].run_id[:4]}" for index in measured],
                "marker": {"color": [COLOURS[index % len(COLOURS)] for index in measured]},
                "xaxis": f"x{number}",
                "yaxis": f"y{number}",
            }
        )
        top = 1 - row / len(metrics)
        axes[f"xaxis{number}"] = {**_AXIS, "anchor": f"y{number}"}
        axes[f"yaxis{number}"] = {
            **_AXIS,
            "anchor": f"x{number}",
            "autorange": "reversed",
            "domain": [top - (1 - _BETWEEN_BARS) / len(metrics), top],
        }
        place = {"x": 0.5, "y": top, "xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom"}
        titles.append({"text": _short(metric), "showarrow": False, **place})
    height = len(metrics) * (len(runs) * _BAR + _AROUND_BARS)
    return {"data": bars, "layout": _layout({**axes, "annotations": titles, "height": height, "showlegend": False})}


def _dimension(name: str, texts: Sequence[str]) -> dict[str, Any]:
    numbers = [_number(text) for text in texts]
    known = [value for value in numbers if value is not None]
    if len(known) < len(numbers) or not known:
        return _categories(name, texts)
    if min(known) > 0 and max(known) / min(known) >= _WIDE:
        return _logarithmic(name, known)
    ticks = sorted(set(known))
    few = {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]} if len(ticks) <= _FEW else {}
    return {"label": _short(name), "values": known, **few}


def _categories(name: str, texts: Sequence[str]) -> dict[str, Any]:
    places = {kind: place for place, kind in enumerate(sorted(set(texts)))}
    labels = [_short(kind) or "-" for kind in places]
    values = [places[text] for text in texts]
    return {"label": _short(name), "values": values, "tickvals": list(places.values()), "ticktext": labels}


def _logarithmic(name: str, values: Sequence[float]) -> dict[str, Any]:
    logs = [math.log10(value) for value in values]
    ticks = list(range(math.floor(min(logs)), math.ceil(max(logs)) + 1))
    texts = [f"{10.0**tick:g}" for tick in ticks]
    return {"label": _short(name), "values": logs, "tickvals": ticks, "ticktext": texts, "range": [ticks[0], ticks[-1]]}


def _has(run: Run, metric: str) -> bool:
    return math.isfinite(run.metrics.get(metric, math.nan))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _short(name: str) -> str:
    """Return a name for a plot, without the markup that Plotly would interpret."""
    return html.escape(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…", quote=False)


def _layout(more: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layout in colours that fit a light and a dark page."""
    return {
        "height": _HEIGHT,
        "autosize": True,
        "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "font": {"color": _GREY, "family": "system-ui, sans-serif"},
        "legend": {"orientation": "h", "yanchor": "top", "y": -0.18, "x": 0},
        "hoverlabel": {"namelength": -1},
        # On a phone, a finger on a plot scrolls the page.
        "dragmode": False,
        "modebar": {"bgcolor": _CLEAR, "color": _GREY, "remove": list(_BUTTONS)},
        **more,
    }
