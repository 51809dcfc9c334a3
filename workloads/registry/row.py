"""A row of a comparison, and the order of the rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from workloads import messages
from workloads.registry import values

# Rows, unless a command is told another number.
MOST: Final = 100

_USUAL: Final[Mapping[str, set[str | None]]] = {"status": {"FINISHED", "READY"}, "stage": {None}}

Detail = str | bool | datetime | tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A run, or a model version with the metrics of its run. `details` are its other columns."""

    name: str
    run_id: str
    details: Mapping[str, Detail]
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The first `most` rows by the metric `sort`, or the newest. `maximize` is None if the metric's name decides."""

    sort: str | None = None
    maximize: bool | None = None
    most: int = MOST

    @property
    def highest_first(self) -> bool:
        """Return whether the highest value of `sort` comes first: by default yes, unless its name says otherwise."""
        if self.maximize is not None:
            return self.maximize
        return self.sort is None or values.maximized(self.sort) is not False

    def sorted(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows by `sort`; of equal ones, the earlier stays first."""
        if self.sort is None:
            return list(rows)
        metric, maximize = self.sort, self.highest_first
        return sorted(rows, key=lambda row: values.rank(row.metrics.get(metric), maximize=maximize))


def telling(rows: Sequence[Row]) -> list[str]:
    """Return the names of the details that tell a reader something: not a status or stage that is usual in all rows."""
    return [
        name
        for name in rows[0].details
        if name not in _USUAL or any(row.details[name] not in _USUAL[name] for row in rows)
    ]


def moment(milliseconds: int | None) -> datetime | None:
    """Return a time of MLflow, which counts in milliseconds since 1970."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def text(detail: Detail) -> str:
    """Return a column's value for a reader."""
    match detail:
        case None:
            return ""
        case bool():
            return "yes" if detail else "no"
        case datetime():
            return f"{detail:%Y-%m-%d %H:%M}"
        case tuple():
            return ", ".join(detail)
    return messages.one_line(detail)
