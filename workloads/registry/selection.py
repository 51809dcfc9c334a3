"""Chooses the run of an experiment that has the best value of a metric."""

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT

from contracts import Exit
from workloads import services
from workloads.cli import WorkloadError

T = TypeVar("T")

_PAGE_RUNS = 500
_FINISHED = "attributes.status = 'FINISHED'"
_MOST_NAMES = 10


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


class Tracking:
    """An MLflow server; every request is tried again while it doesn't answer, and then fails with `Exit.MLFLOW`."""

    def __init__(self, uri: str) -> None:
        services.configure_clients()
        self.uri = uri
        # MLflow resolves `models:/` addresses by the process's server, whatever the client's is.
        mlflow.set_tracking_uri(uri)
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def ask(self, action: Callable[[], T], attempts: int = 5) -> T:
        """Return what `action` gets from the server.

        Raises:
            WorkloadError: The server refuses, or does not answer in `attempts`.
        """
        return services.patiently(action, service=f"MLflow at {self.uri}", code=Exit.MLFLOW, attempts=attempts)


def select_best_run(tracking: Tracking, experiment_name: str, metric: str, *, maximize: bool) -> BestRun:
    """Return the finished run with the highest or lowest `metric`; of equal ones, the one that was started last.

    A metric that is NaN or infinite doesn't count.

    Raises:
        WorkloadError: No run qualifies (`Exit.NO_RUN`), or the server is dead (`Exit.MLFLOW`).
    """
    experiment = tracking.ask(lambda: tracking.client.get_experiment_by_name(experiment_name))
    if experiment is None:
        raise WorkloadError(f"MLflow has no experiment {experiment_name!r}.", Exit.NO_RUN)
    if experiment.lifecycle_stage != "active":
        raise WorkloadError(f"The experiment {experiment_name!r} was deleted.", Exit.NO_RUN)
    sign = 1 if maximize else -1
    best: Run | None = None
    for run in _runs(tracking, experiment, _FINISHED):
        if not is_finite(run.data.metrics.get(metric, math.nan)):
            continue
        if best is None or _rank(run, metric, sign) > _rank(best, metric, sign):
            best = run
    if best is None:
        raise WorkloadError(_why_none(tracking, experiment, metric), Exit.NO_RUN)
    return describe(best, experiment.name, metric)


def describe(run: Run, experiment: str, metric: str) -> BestRun:
    """Return what there is to say about the chosen run."""
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


def _rank(run: Run, metric: str, sign: int) -> tuple[float, int, str]:
    return sign * run.data.metrics[metric], run.info.start_time, run.info.run_id


def is_finite(value: float) -> bool:
    """Tell whether a metric is a number; MLflow's SQL store keeps infinity as the largest float."""
    return math.isfinite(value) and abs(value) < sys.float_info.max


def _runs(tracking: Tracking, experiment: Experiment, filter_string: str = "") -> Iterator[Run]:
    token: str | None = None
    while True:
        page: Any = tracking.ask(
            lambda token=token: tracking.client.search_runs(
                [experiment.experiment_id], filter_string, max_results=_PAGE_RUNS, page_token=token
            )
        )
        yield from page
        token = page.token
        if not token:
            return


def _why_none(tracking: Tracking, experiment: Experiment, metric: str) -> str:
    """Say which condition no run fulfils."""
    states: Counter[str] = Counter()
    names: set[str] = set()
    logged = 0
    for run in _runs(tracking, experiment):
        states[run.info.status] += 1
        if run.info.status == "FINISHED":
            names |= run.data.metrics.keys()
            logged += metric in run.data.metrics
    if not states:
        return f"The experiment {experiment.name!r} has no run."
    if not states["FINISHED"]:
        others = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        return f"The experiment {experiment.name!r} has no finished run ({others})."
    if logged:
        return f"In the experiment {experiment.name!r} the metric {metric!r} of every finished run is NaN or infinite."
    known = ", ".join(sorted(names)[:_MOST_NAMES]) or "none"
    return f"No finished run of the experiment {experiment.name!r} has the metric {metric!r}; they have: {known}."
