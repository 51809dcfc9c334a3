"""What a dashboard and its panels are, whatever draws them."""

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """The units of values, by Grafana's ids: https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options/."""

    NUMBER = "short"
    SHARE = "percentunit"
    SECONDS = "s"
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    REQUESTS_PER_SECOND = "reqps"
    PER_SECOND = "ops"


class Kind(StrEnum):
    """How a panel shows its values: the newest as a number, or all as lines."""

    NUMBER = "number"
    LINES = "lines"


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """An expression in PromQL, and the name of each of its lines, in which `{{label}}` is a label's value."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """A panel; a number turns red from `bad_from` on, or below `bad_below`."""

    title: str
    kind: Kind
    unit: Unit
    queries: tuple[Query, ...]
    description: str = ""
    bad_from: float | None = None
    bad_below: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Dashboard:
    """A dashboard; `uid` is its address in Grafana, and never changes."""

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]


def number(
    title: str,
    unit: Unit,
    expression: str,
    *,
    description: str = "",
    bad_from: float | None = None,
    bad_below: float | None = None,
) -> Panel:
    """Return a panel with the newest value of one expression."""
    return Panel(
        title=title,
        kind=Kind.NUMBER,
        unit=unit,
        queries=(Query(expression=expression),),
        description=description,
        bad_from=bad_from,
        bad_below=bad_below,
    )


def lines(title: str, unit: Unit, expressions: dict[str, str], *, description: str = "") -> Panel:
    """Return a panel with the lines of `expressions`, by the legend of each."""
    queries = tuple(Query(expression=expression, legend=legend) for legend, expression in expressions.items())
    return Panel(title=title, kind=Kind.LINES, unit=unit, queries=queries, description=description)
