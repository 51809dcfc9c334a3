"""A verdict as one HTML file that opens without a network: the features, and plots of their distributions."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from workloads.cli import file_error
from workloads.registry import plots, report
from workloads.registry.replacing import replace
from workloads.serving.watching import output
from workloads.serving.watching.drift import Finding
from workloads.serving.watching.feature import Category, Number
from workloads.serving.watching.verdict import Verdict

_TEMPLATE: Final = Path(__file__).with_name("watch.html")
_COLOURS: Final = plots.COLOURS[:2]
_MOST_PLOTS: Final = 24
_HALF_BAR: Final = 0.2


def write(path: Path, verdict: Verdict, now: datetime) -> None:
    """Write the page to `path`, which keeps its old content if anything fails. `now` is shown in it.

    Raises:
        WorkloadError: The path can't be written (`Exit.USAGE`).
    """
    content = page(verdict, now).encode("utf-8", "backslashreplace")
    try:
        replace(path.resolve(), content)
    except OSError as error:
        raise file_error(path, "written", error) from error


def page(verdict: Verdict, now: datetime) -> str:
    """Return the page, with the plots of the features that differ most."""
    summary = verdict.summary
    parts = {
        feature.name: (feature, counts)
        for feature, counts in zip(summary.baseline.features if summary.baseline else (), summary.counts, strict=True)
    }
    return report.render(
        _TEMPLATE,
        title="Inputs of a served model",
        subtitle=f"{now:%Y-%m-%d %H:%M} UTC",
        lines=list(output.lines(verdict)),
        reasons=verdict.reasons,
        colours=_COLOURS,
        features=[
            _feature(finding, *parts[finding.feature], drawn=number < _MOST_PLOTS)
            for number, finding in enumerate(verdict.findings)
        ],
        samples=summary.samples,
    )


def _feature(finding: Finding, feature: Number | Category, counts: Sequence[int], *, drawn: bool) -> dict[str, Any]:
    before, now = _shares(feature.counts), _shares(counts)
    return {
        "name": finding.feature,
        "drifted": finding.drifted,
        "figures": [
            finding.samples,
            output.shown(finding.psi),
            output.shown(finding.ks),
            "-" if finding.p is None else f"{finding.p:.2g}",
        ],
        # The plot is made here, from numbers only.
        "svg": Markup(_plot(before, now)) if drawn else "",  # noqa: S704
        "bins": [
            {"label": label, "before": f"{expected:.1%}", "now": f"{seen:.1%}"}
            for label, expected, seen in zip(feature.labels, before, now, strict=True)
        ],
    }


def _shares(counts: Sequence[int]) -> np.ndarray[Any, Any]:
    return np.array(counts) / max(sum(counts), 1)


def _plot(before: np.ndarray[Any, Any], now: np.ndarray[Any, Any]) -> str:
    numbers = np.arange(1, len(before) + 1)

    def draw(axes: Axes) -> None:
        for shift, shares, colour in zip((-_HALF_BAR, _HALF_BAR), (before, now), _COLOURS, strict=True):
            axes.bar(numbers + shift, shares, 2 * _HALF_BAR, color=colour)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))

    svg, _ = plots.drawn(draw)
    return svg
