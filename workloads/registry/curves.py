"""The histories of metrics, sampled by the tracking server where it can."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import http_request, verify_rest_response

from workloads.mlflow_client import Tracking
from workloads.registry import values

if TYPE_CHECKING:
    from requests import Response

# MLflow's server allows at most 2,500 (mlflow/server/handlers.py); a plot of 300 pixels shows no more than 500.
POINTS: Final = 500

_SAMPLED: Final = "/api/2.0/mlflow/metrics/get-history-bulk-interval"
# An older server doesn't know the path and answers with a page; MLflow's own errors are JSON.
_NOT_FOUND: Final = 404
_JSON: Final = "application/json"


class Point(NamedTuple):
    """A value of a metric; `timestamp` is in milliseconds since 1970."""

    step: int
    timestamp: int
    value: float


def read(tracking: Tracking, run_ids: Sequence[str], metric: str, most: int = POINTS) -> dict[str, list[Point]]:
    """Return at most `most` points of a metric's history by run, evenly sampled, with the first and the last one.

    Raises:
        WorkloadError: MLflow doesn't answer (`Exit.MLFLOW`).
    """
    histories: dict[str, list[Point]] = defaultdict(list)
    for run_id, point in tracking.ask(lambda: _sampled(tracking, run_ids, metric, most)):
        histories[run_id].append(point)
    return {run_id: thinned(sorted(points, key=_position), most) for run_id, points in histories.items()}


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """Return at most `most` points, evenly spaced, with the first and the last one."""
    if len(points) <= most:
        return list(points)
    return [points[round(index * (len(points) - 1) / (most - 1))] for index in range(most)]


def _position(point: Point) -> tuple[int, int]:
    return point.step, point.timestamp


def _sampled(tracking: Tracking, run_ids: Sequence[str], metric: str, most: int) -> list[tuple[str, Point]]:
    # MLflow's public client has no sampled history.
    store = tracking.client._tracking_client.store  # noqa: SLF001
    if isinstance(store, RestStore):
        return _from_server(tracking, store, run_ids, metric, most)
    found = store.get_metric_history_bulk_interval(list(run_ids), metric, most, None, None)
    return [(one.run_id, _point(one.step, one.timestamp, one.value)) for one in found]


def _from_server(
    tracking: Tracking, store: RestStore, run_ids: Sequence[str], metric: str, most: int
) -> list[tuple[str, Point]]:
    query = {"run_ids": list(run_ids), "metric_key": metric, "max_results": most}
    response = cast("Response", http_request(store.get_host_creds(), _SAMPLED, "GET", params=query))
    if response.status_code == _NOT_FOUND and not response.headers.get("Content-Type", "").startswith(_JSON):
        return list(_whole(tracking, run_ids, metric))
    found: Mapping[str, Any] = json.loads(verify_rest_response(response, _SAMPLED).text)
    return [
        # JSON has 64-bit integers and NaN as strings, and leaves out a zero.
        (one["run_id"], _point(int(one.get("step", 0)), int(one.get("timestamp", 0)), float(one.get("value", 0))))
        for one in found.get("metrics", [])
    ]


def _whole(tracking: Tracking, run_ids: Sequence[str], metric: str) -> Iterable[tuple[str, Point]]:
    for run_id in run_ids:
        for one in tracking.client.get_metric_history(run_id, metric):
            yield run_id, _point(one.step, one.timestamp, one.value)


def _point(step: int, timestamp: int, value: float) -> Point:
    return Point(step, timestamp, values.restored(value))
