"""The choice of the run with the best value of a metric in an experiment."""

import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities import Experiment, Run
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking

# Small pages: one run with 1,000 metrics takes 160 kB.
_PAGE_RUNS = 10
_FINISHED = "attributes.status = 'FINISHED'"
_MOST_NAMES = 10
# MLflow's filters don't accept a plus sign in an exponent.
_LARGEST = repr(sys.float_info.max).replace("e+", "e")


@dataclass(frozen=True, kw_only=True, slots=True)
class BestRun:
    """The chosen run; `start_time` is in milliseconds since 1970, `metrics` are its last finite values."""

    run_id: str
    run_name: str
    experiment: str
    metric: str
    value: float
    start_time: int
    git_commit: str | None
    metrics: dict[str, float]


def select_best_run(tracking: Tracking, experiment_name: str, metric: str, *, maximize: bool) -> BestRun:
    """Return the finished run with the highest or lowest `metric`; of equal runs, the one started last.

    A metric that is NaN or infinite doesn't count.

    Raises:
        WorkloadError: No run qualifies (`Exit.NO_RUN`), or MLflow doesn't answer (`Exit.MLFLOW`).
    """
    experiment = tracking.ask(lambda: tracking.client.get_experiment_by_name(experiment_name))
    if experiment is None:
        raise WorkloadError(f"MLflow has no experiment {experiment_name!r}.", Exit.NO_RUN)
    if experiment.lifecycle_stage != "active":
        raise WorkloadError(f"The experiment {experiment_name!r} was deleted.", Exit.NO_RUN)
    best = _best(tracking, experiment, metric, maximize=maximize)
    if best is None:
        raise WorkloadError(_why_none(tracking, experiment, metric), Exit.NO_RUN)
    return describe(best, experiment.name, metric)


def describe(run: Run, experiment: str, metric: str) -> BestRun:
    """Describe the chosen run."""
    return BestRun(
        run_id=run.info.run_id,
        run_name=run.info.run_name or "",
        experiment=experiment,
        metric=metric,
        value=run.data.metrics[metric],
        start_time=run.info.start_time,
        git_commit=run.data.tags.get(MLFLOW_GIT_COMMIT),
        metrics={name: value for name, value in sorted(run.data.metrics.items()) if is_finite(value)},
    )


def is_finite(value: float) -> bool:
    """Return whether a metric is finite; MLflow's SQL store keeps infinity as the largest float."""
    return math.isfinite(value) and abs(value) < sys.float_info.max


def _best(tracking: Tracking, experiment: Experiment, metric: str, *, maximize: bool) -> Run | None:
    """Return the run that MLflow sorts first.

    The filter leaves out values that are infinite in the better direction. MLflow sorts NaN and missing values last in
    both directions, and equal values by start time, newest first: `_get_orderby_clauses` in
    mlflow/store/tracking/sqlalchemy_store.py.
    """
    name = f"metrics.`{metric}`"
    bound, direction = (f"{name} < {_LARGEST}", "DESC") if maximize else (f"{name} > -{_LARGEST}", "ASC")
    for run in _newest(tracking, experiment, f"{_FINISHED} AND {bound}", [f"{name} {direction}"], runs=1):
        if is_finite(run.data.metrics.get(metric, math.nan)):
            return run
    return None


def _newest(
    tracking: Tracking, experiment: Experiment, filter_string: str, order_by: Sequence[str] = (), *, runs: int
) -> Sequence[Run]:
    """Return the first `runs` runs by `order_by`, or the newest; few, as a run with many metrics is slow to fetch."""
    return tracking.ask(
        lambda: tracking.client.search_runs(
            [experiment.experiment_id], filter_string, max_results=runs, order_by=list(order_by)
        )
    )


def _why_none(tracking: Tracking, experiment: Experiment, metric: str) -> str:
    """Explain why no run qualifies, by the newest runs only: there may be too many to fetch."""
    finished = _newest(tracking, experiment, _FINISHED, runs=_PAGE_RUNS)
    if not finished:
        return _why_none_finished(tracking, experiment)
    # Runs with the metric are sorted before runs without it.
    first = _newest(tracking, experiment, _FINISHED, [f"metrics.`{metric}` DESC"], runs=1)
    if any(metric in run.data.metrics for run in first):
        return f"In the experiment {experiment.name!r} the metric {metric!r} of every finished run is NaN or infinite."
    names = {name for run in finished for name in run.data.metrics}
    found = ", ".join(sorted(names)[:_MOST_NAMES]) or "none"
    return f"No finished run of the experiment {experiment.name!r} has the metric {metric!r}; they have: {found}."


def _why_none_finished(tracking: Tracking, experiment: Experiment) -> str:
    page = _newest(tracking, experiment, "", runs=_PAGE_RUNS)
    if not page:
        return f"The experiment {experiment.name!r} has no run."
    states = Counter(run.info.status for run in page)
    counted = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    scope = "the newest: " if len(page) == _PAGE_RUNS else ""
    return f"The experiment {experiment.name!r} has no finished run ({scope}{counted})."
