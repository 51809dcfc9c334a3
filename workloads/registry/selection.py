"""The choice of a run in an experiment: the one with the best value of a metric, or a given one."""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry.values import is_finite

# Small pages: one run with 1,000 metrics takes 160 kB.
_PAGE_RUNS = 10
FINISHED = "attributes.status = 'FINISHED'"
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
    experiment = find_experiment(tracking, experiment_name)
    best = _best(tracking, experiment, metric, maximize=maximize)
    if best is None:
        raise WorkloadError(_why_none(tracking, experiment, metric), Exit.NO_RUN)
    return describe(best, experiment.name, metric)


def select_run(tracking: Tracking, experiment_name: str, run_id: str, metric: str) -> BestRun:
    """Return a given run, which must be a finished one of the experiment and have the metric.

    Raises:
        WorkloadError: It is not (`Exit.NO_RUN`), or MLflow doesn't answer (`Exit.MLFLOW`).
    """
    experiment = find_experiment(tracking, experiment_name)
    run = tracking.ask(lambda: _run(tracking, run_id))
    if run is None or run.info.experiment_id != experiment.experiment_id or run.info.lifecycle_stage != "active":
        raise WorkloadError(f"The experiment {experiment.name!r} has no run {run_id!r}.", Exit.NO_RUN)
    if run.info.status != "FINISHED":
        raise WorkloadError(f"The run {run_id} must be FINISHED, but is {run.info.status}.", Exit.NO_RUN)
    if not is_finite(run.data.metrics.get(metric, math.nan)):
        found = listed(name for name, value in run.data.metrics.items() if is_finite(value))
        raise WorkloadError(f"The run {run_id} has no finite metric {metric!r}; it has: {found}.", Exit.NO_RUN)
    return describe(run, experiment.name, metric)


def find_experiment(tracking: Tracking, name: str) -> Experiment:
    """Return the experiment.

    Raises:
        WorkloadError: There is none, or it was deleted (`Exit.NO_RUN`), or MLflow doesn't answer (`Exit.MLFLOW`).
    """
    experiment = tracking.ask(lambda: tracking.client.get_experiment_by_name(name))
    if experiment is None:
        raise WorkloadError(f"MLflow has no experiment {name!r}.", Exit.NO_RUN)
    if experiment.lifecycle_stage != "active":
        raise WorkloadError(f"The experiment {name!r} was deleted.", Exit.NO_RUN)
    return experiment


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


def finite_first(metric: str, *, maximize: bool) -> tuple[str, str]:
    """Return a filter and an order for MLflow that put the runs with the best finite values of a metric first.

    The filter leaves out values that are infinite in the better direction. MLflow sorts NaN and missing values last in
    both directions, and equal values by start time, newest first: `_get_orderby_clauses` in
    mlflow/store/tracking/sqlalchemy_store.py.
    """
    name = f"metrics.`{metric}`"
    return (f"{name} < {_LARGEST}", f"{name} DESC") if maximize else (f"{name} > -{_LARGEST}", f"{name} ASC")


def _run(tracking: Tracking, run_id: str) -> Run | None:
    try:
        return tracking.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _best(tracking: Tracking, experiment: Experiment, metric: str, *, maximize: bool) -> Run | None:
    """Return the run that MLflow sorts first."""
    bound, order = finite_first(metric, maximize=maximize)
    for run in _newest(tracking, experiment, f"{FINISHED} AND {bound}", [order], runs=1):
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
    finished = _newest(tracking, experiment, FINISHED, runs=_PAGE_RUNS)
    if not finished:
        return why_none_finished(tracking, experiment)
    # Runs with the metric are sorted before runs without it.
    first = _newest(tracking, experiment, FINISHED, [f"metrics.`{metric}` DESC"], runs=1)
    if any(metric in run.data.metrics for run in first):
        return f"In the experiment {experiment.name!r} the metric {metric!r} of every finished run is NaN or infinite."
    found = listed({name for run in finished for name in run.data.metrics})
    return f"No finished run of the experiment {experiment.name!r} has the metric {metric!r}; they have: {found}."


def listed(names: Iterable[str]) -> str:
    """Return the first names in alphabetical order for a message, or "none"."""
    return ", ".join(sorted(names)[:_MOST_NAMES]) or "none"


def why_none_finished(tracking: Tracking, experiment: Experiment) -> str:
    """Explain why an experiment has no finished run, by the states of its newest runs."""
    page = _newest(tracking, experiment, "", runs=_PAGE_RUNS)
    if not page:
        return f"The experiment {experiment.name!r} has no run."
    states = Counter(run.info.status for run in page)
    counted = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    scope = "the newest: " if len(page) == _PAGE_RUNS else ""
    return f"The experiment {experiment.name!r} has no finished run ({scope}{counted})."
