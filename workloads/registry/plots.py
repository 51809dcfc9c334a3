"""Plots of metrics as SVG for a page. They contain no text but numbers, so names never reach the plotting library."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workloads.registry.curves import Point

T = TypeVar("T")

# Ten colours that are told apart on white, also with a colour vision deficiency (Petroff 2021, arXiv:2107.02270).
COLOURS: Final = (
    "#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#94a4a2", "#a96b59", "#e76300", "#717581", "#b9ac70", "#92dadd",
)  # fmt: skip

# matplotlib's arithmetic overflows near the largest float.
_LARGEST_DRAWN: Final = 1e300
# In inches. Small, so that the numbers stay legible on a phone, where a plot is some 330 pixels wide.
_SIZE: Final = (4.6, 2.7)
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 11,
    "axes.edgecolor": "#8a94a3",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e9ee",
    "xtick.color": "#596579",
    "ytick.color": "#596579",
    # The same input gives the same file.
    "svg.hashsalt": "aegis",
}
_NO_METADATA: Final = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def plot(histories: Mapping[int, Sequence[Point]]) -> tuple[str, str] | None:
    """Return a plot of a metric as SVG, and the meaning of its horizontal axis.

    `histories` are the curves by the number of their row, counted from 0, which gives them their colour. Where no run
    has more than one value, these are drawn above the numbers of their rows, counted from 1. Returns None if there is
    no value that can be drawn.
    """
    drawable = {
        number: points for number, points in histories.items() if any(_drawable(point.value) for point in points)
    }
    if not drawable:
        return None
    return drawn(lambda axes: _draw(axes, drawable))


def drawn(draw: Callable[[Axes], T]) -> tuple[str, T]:
    """Return what `draw` draws as SVG in the style of all reports, and what it returns."""
    with rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        result = draw(figure.add_subplot())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata=_NO_METADATA)
    text = stream.getvalue()
    return text[text.index("<svg") :], result


def _draw(axes: Axes, histories: Mapping[int, Sequence[Point]]) -> str:
    if all(len(points) == 1 for points in histories.values()):
        for number, (point,) in histories.items():
            axes.plot(number + 1, point.value, "o", color=COLOURS[number], markersize=8)
        axes.set_xticks([number + 1 for number in histories])
        return "row"
    by_step = any(point.step != points[0].step for points in histories.values() for point in points)
    for number, points in histories.items():
        start = points[0].timestamp
        across = [point.step if by_step else (point.timestamp - start) / 1000 for point in points]
        # A line has a gap where a value is NaN or infinite.
        up = [point.value if _drawable(point.value) else math.nan for point in points]
        axes.plot(across, up, color=COLOURS[number], linewidth=1.8, marker="o", markersize=_marker(len(points)))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=by_step))
    return "step" if by_step else "seconds"


def _drawable(value: float) -> bool:
    return abs(value) < _LARGEST_DRAWN


def _marker(points: int) -> float:
    """Return the size of a point's mark: the fewer points, the larger."""
    return 4 if points <= 30 else 0  # noqa: PLR2004
