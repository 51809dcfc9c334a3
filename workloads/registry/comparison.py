"""The comparison of runs or model versions by their metrics, for notebooks and for the commands.

In a notebook:

    tracking = Tracking("sqlite:///mlflow.db")
    compare_runs(tracking, "digits", ["val/accuracy", "val/loss"], sort="val/accuracy")
    compare_versions(tracking, "digits-classifier")
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry import runs, selection, values, versions
from workloads.registry.row import MOST, Order, Row

# Metrics of the machine, which MLflow itself logs (mlflow/system_metrics).
_SYSTEM = "system/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Rows with the metrics to compare. `maximize` says for a metric whether higher is better, where that is known.

    `subject` names what is compared. `kind` is "runs" or "versions". `complete` is False if MLflow has more of them.
    """

    subject: str
    kind: str
    rows: Sequence[Row]
    metrics: Sequence[str]
    maximize: Mapping[str, bool]
    order: Order
    complete: bool

    @property
    def summary(self) -> str:
        """The number of the rows and their order, as a sentence."""
        kind = self.kind if len(self.rows) != 1 else self.kind.removesuffix("s")
        number = f"{len(self.rows)} {kind}{'' if self.complete else ' (there are more)'}"
        if self.order.sort is None:
            return f"{number}, newest first."
        return f"{number}, {'highest' if self.order.highest_first else 'lowest'} {self.order.sort} first."

    def best(self, metric: str) -> float | None:
        """Return the best finite value of a metric, or None if its direction is unknown or no value is finite."""
        maximize = self.maximize.get(metric)
        if maximize is None:
            return None
        return values.best((row.metrics.get(metric) for row in self.rows), maximize=maximize)

    def frame(self) -> pd.DataFrame:
        """Return a data frame with a row per run or version, and a column `metrics.NAME` per metric.

        A missing value is NaN, too, as always in a column of floats.
        """
        records = [
            {**row.details, **{f"metrics.{metric}": row.metrics.get(metric) for metric in self.metrics}}
            for row in self.rows
        ]
        return pd.DataFrame.from_records(records, columns=self._columns()).astype(
            {f"metrics.{metric}": "float64" for metric in self.metrics}
        )

    def _columns(self) -> list[str]:
        return [*self.rows[0].details, *(f"metrics.{metric}" for metric in self.metrics)]


def compare_runs(
    tracking: Tracking,
    experiment_name: str,
    metrics: Sequence[str] = (),
    *,
    sort: str | None = None,
    maximize: bool | None = None,
    finished: bool = True,
    filter_string: str = "",
    most: int = MOST,
) -> pd.DataFrame:
    """Return the runs of an experiment with the last values of their metrics, one run a row.

    The arguments are those of `read_runs` and `Order`.

    Raises:
        WorkloadError: As `read_runs`.
    """
    order = Order(sort=sort, maximize=maximize, most=most)
    chosen = runs.Chosen(finished=finished, filter_string=filter_string)
    return read_runs(tracking, experiment_name, metrics, order, chosen).frame()


def compare_versions(
    tracking: Tracking,
    model_name: str,
    metrics: Sequence[str] = (),
    *,
    sort: str | None = None,
    maximize: bool | None = None,
    most: int = MOST,
) -> pd.DataFrame:
    """Return the versions of a registered model with their aliases and the metrics of their runs, one version a row.

    The arguments are those of `read_versions` and `Order`.

    Raises:
        WorkloadError: As `read_versions`.
    """
    order = Order(sort=sort, maximize=maximize, most=most)
    return read_versions(tracking, model_name, metrics, order).frame()


def read_runs(
    tracking: Tracking, experiment_name: str, metrics: Sequence[str], order: Order, chosen: runs.Chosen
) -> Comparison:
    """Read the runs of an experiment; without `metrics`, with those that the runs have in common.

    Raises:
        WorkloadError: There is no such experiment, run or metric (`Exit.NO_RUN`), the filter is invalid (`Exit.USAGE`),
            or MLflow doesn't answer (`Exit.MLFLOW`).
    """
    experiment = selection.find_experiment(tracking, experiment_name)
    subject = f"experiment {experiment.name!r}"
    found = runs.read(tracking, experiment, order, chosen)
    if not found:
        raise WorkloadError(runs.why_none(tracking, experiment, chosen), Exit.NO_RUN)
    return _compared(subject, "runs", found, metrics, order)


def read_versions(tracking: Tracking, model_name: str, metrics: Sequence[str], order: Order) -> Comparison:
    """Read the versions of a registered model; without `metrics`, with those that the versions have in common.

    Raises:
        WorkloadError: There is no such model, version or metric (`Exit.NO_RUN`), or MLflow doesn't answer
            (`Exit.MLFLOW`).
    """
    found = versions.read(tracking, model_name, order)
    if not found:
        raise WorkloadError(f"The registered model {model_name!r} has no version.", Exit.NO_RUN)
    return _compared(f"registered model {model_name!r}", "versions", found, metrics, order)


def _compared(subject: str, kind: str, found: Sequence[Row], metrics: Sequence[str], order: Order) -> Comparison:
    """Compare the first `order.most` of the rows; one more than that was read if there are more."""
    rows = found[: order.most]
    sort = [order.sort] if order.sort else []
    shown = list(dict.fromkeys(sort + list(metrics or _common(rows))))
    _require([*sort, *metrics], rows, f"None of the compared {kind} of the {subject}")
    return Comparison(
        subject=subject,
        kind=kind,
        rows=rows,
        metrics=shown,
        maximize=_directions(shown, metrics, order),
        order=order,
        complete=len(found) <= order.most,
    )


def _require(metrics: Sequence[str], rows: Sequence[Row], none_of: str) -> None:
    existing = {name for row in rows for name in row.metrics}
    for metric in metrics:
        if metric not in existing:
            found = selection.listed(existing)
            raise WorkloadError(f"{none_of} has the metric {metric!r}; they have: {found}.", Exit.NO_RUN)


def _common(rows: Sequence[Row]) -> list[str]:
    """Return the metrics that all rows with metrics have; if there are none, those that any row has."""
    names = [{name for name in row.metrics if not name.startswith(_SYSTEM)} for row in rows if row.metrics]
    return sorted(set[str]().union(*names) if not names else set.intersection(*names) or set.union(*names))


def _directions(shown: Sequence[str], metrics: Sequence[str], order: Order) -> dict[str, bool]:
    """Return the known directions: by the name, unless `order` sets that of the sorted metric, or of the given ones."""
    known = {metric: values.maximized(metric) for metric in shown}
    if order.sort:
        known[order.sort] = order.highest_first
    elif order.maximize is not None:
        known |= dict.fromkeys(metrics, order.maximize)
    return {metric: maximize for metric, maximize in known.items() if maximize is not None}
