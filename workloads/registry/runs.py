"""The runs of an experiment as rows of a comparison, read page by page."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.search_utils import SearchUtils

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry import selection, values
from workloads.registry.row import Order, Row, moment

# A page of runs with 100 metrics each takes 1.6 MB.
_PAGE_RUNS: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """The runs to compare: only finished ones, or all, that match `filter_string`, an expression of `search_runs`."""

    finished: bool = True
    filter_string: str = ""

    def expression(self, *more: str) -> str:
        """Return the filter for MLflow, with `more` conditions."""
        finished = (selection.FINISHED,) if self.finished else ()
        return " AND ".join(filter(None, (*finished, self.filter_string.strip(), *more)))


def read(tracking: Tracking, experiment: Experiment, order: Order, chosen: Chosen) -> list[Row]:
    """Return the first `order.most` runs and one more, if there is one.

    Raises:
        WorkloadError: The filter is invalid (`Exit.USAGE`), or MLflow doesn't answer (`Exit.MLFLOW`).
    """
    _check(chosen.filter_string)
    # By ID: a run that starts meanwhile moves another one to the next page.
    found: dict[str, Row] = {}
    for run in _ordered(tracking, experiment, order, chosen):
        found.setdefault(run.info.run_id, _row(run))
        if len(found) > order.most:
            break
    rows = list(found.values())
    return order.sorted(rows[: order.most]) + rows[order.most :]


def why_none(tracking: Tracking, experiment: Experiment, chosen: Chosen) -> str:
    """Explain why no run was found."""
    if chosen.filter_string.strip():
        kind = "finished run" if chosen.finished else "run"
        return f"No {kind} of the experiment {experiment.name!r} matches {chosen.filter_string!r}."
    return selection.why_none_finished(tracking, experiment)


def _ordered(tracking: Tracking, experiment: Experiment, order: Order, chosen: Chosen) -> Iterator[Run]:
    """Yield the runs with a finite value of `order.sort`, the best first, then all of them, the newest first."""
    if order.sort is not None:
        bound, order_by = selection.finite_first(order.sort, maximize=order.highest_first)
        for run in _pages(tracking, experiment, chosen.expression(bound), order.most, [order_by]):
            if not values.is_finite(run.data.metrics.get(order.sort, math.nan)):
                break
            yield run
    yield from _pages(tracking, experiment, chosen.expression(), order.most)


def _pages(
    tracking: Tracking, experiment: Experiment, expression: str, most: int, order_by: Sequence[str] = ()
) -> Iterator[Run]:
    """Yield runs from pages that are no larger than needed for `most` of them and one more."""
    token: str | None = None
    while True:
        page = tracking.ask(
            lambda token=token: tracking.client.search_runs(
                [experiment.experiment_id],
                expression,
                max_results=min(_PAGE_RUNS, most + 1),
                order_by=list(order_by),
                page_token=token,
            )
        )
        yield from page
        token = page.token
        if not token:
            return


def _check(filter_string: str) -> None:
    try:
        SearchUtils.parse_search_filter(filter_string)
    except MlflowException as error:
        raise WorkloadError(
            f"--filter {filter_string!r} is not a filter of MLflow: {error.message}", Exit.USAGE
        ) from error


def _row(run: Run) -> Row:
    return Row(
        name=run.info.run_name or run.info.run_id,
        run_id=run.info.run_id,
        details={
            "run_name": run.info.run_name or "",
            "status": run.info.status,
            "started": moment(run.info.start_time),
            "run_id": run.info.run_id,
        },
        metrics=values.all_restored(run.data.metrics),
    )
