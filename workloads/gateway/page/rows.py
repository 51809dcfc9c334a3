"""What the page shows, as rows that are read with a caller's rights."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from workloads.gateway import tags
from workloads.gateway.manager import MLflowManager

# What the page shows at most: more would not fit on it, and slow the browser down.
MOST_EXPERIMENTS: Final = 200
MOST_RUNS: Final = 100
MOST_TRIALS: Final = 500
MOST_CURVES: Final = 10
# Points of a curve. MLflow samples them evenly, and keeps the first and the last.
MOST_POINTS: Final = 500
_HISTORY: Final = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """An experiment; times are in milliseconds since 1970."""

    experiment_id: str
    name: str
    description: str
    updated: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run, with its parameters and the last values of its metrics; times are in milliseconds since 1970."""

    run_id: str
    name: str
    status: str
    started: int
    ended: int | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A value of a metric; `time` is in milliseconds since 1970."""

    step: int
    time: int
    value: float


async def experiments(mlflow: MLflowManager) -> list[Experiment]:
    """Return the newest experiments.

    Raises:
        GatewayError: MLflow refuses, or doesn't answer; so do the other functions.
    """
    found = await mlflow.experiments.search(max_results=MOST_EXPERIMENTS)
    return [
        Experiment(
            experiment_id=each["experiment_id"],
            name=each["name"],
            description=tags.to_dict(each.get("tags")).get(tags.DESCRIPTION, ""),
            updated=int(each.get("last_update_time", 0)),
        )
        for each in found["experiments"]
    ]


async def runs(mlflow: MLflowManager, experiment_id: str, wanted: str = "", most: int = MOST_RUNS) -> list[Run]:
    """Return the newest runs of an experiment that match MLflow's filter `wanted`."""
    body = {"experiment_ids": [experiment_id], "filter": wanted, "max_results": most}
    found = await mlflow.client.find("runs/search", body | {"order_by": ["attributes.start_time DESC"]})
    return [run_of(each) for each in found.get("runs", [])]


def run_of(document: Mapping[str, Any]) -> Run:
    """Return the row of a run in MLflow's form."""
    info, data = document["info"], document.get("data", {})
    ended = int(info.get("end_time", 0))
    return Run(
        run_id=info["run_id"],
        name=info.get("run_name") or info["run_id"][:8],
        status=info.get("status", "RUNNING"),
        started=int(info.get("start_time", 0)),
        ended=ended or None,
        params=tags.to_dict(data.get("params")),
        metrics={each["key"]: float(each["value"]) for each in data.get("metrics", [])},
    )


async def curves(mlflow: MLflowManager, run_ids: Sequence[str], metric: str) -> dict[str, list[Point]]:
    """Return the history of a metric by run."""
    asked = {"run_ids": list(run_ids[:MOST_CURVES]), "metric_key": metric, "max_results": MOST_POINTS}
    found = await mlflow.client.get(f"{_HISTORY}?{urlencode(asked, doseq=True)}")
    histories: dict[str, list[Point]] = {run_id: [] for run_id in asked["run_ids"]}
    for each in found.get("metrics", []):
        value = float(each["value"])
        if math.isfinite(value):
            point = Point(step=int(each.get("step", 0)), time=int(each.get("timestamp", 0)), value=value)
            histories.setdefault(each["run_id"], []).append(point)
    return {run_id: sorted(points, key=lambda point: (point.step, point.time)) for run_id, points in histories.items()}


def metric_names(found: Sequence[Run]) -> list[str]:
    """Return the names of the runs' metrics, those of the model before those of the system."""
    names = {name for run in found for name in run.metrics}
    return sorted(names, key=lambda name: (name.startswith("system/"), name))


def varying(found: Sequence[Run]) -> list[str]:
    """Return the names of the parameters that differ between runs, the ones of most runs first."""
    counts: dict[str, int] = {}
    values: dict[str, set[str]] = {}
    for run in found:
        for name, value in run.params.items():
            counts[name] = counts.get(name, 0) + 1
            values.setdefault(name, set()).add(value)
    return sorted((name for name in counts if len(values[name]) > 1), key=lambda name: (-counts[name], name))
