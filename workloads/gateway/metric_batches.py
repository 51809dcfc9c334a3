"""Metrics of concurrent requests, logged together: one write of MLflow instead of many."""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workloads.gateway.caller import Caller
from workloads.gateway.client import MLflowClient
from workloads.gateway.errors import ConflictError, GatewayError, InvalidError, TooLargeError, UnavailableError
from workloads.gateway.upstream import RETRY_AFTER

# MLflow's limits of one log-batch request (mlflow.utils.validation), less some space for the rest of the body.
MOST_METRICS: Final = 1000
_MOST_BYTES: Final = 900_000
# An error that concerns one metric, and so maybe only one of the requests in a batch.
_OF_ONE: Final = (InvalidError, ConflictError, TooLargeError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A value of a metric. `value` may be "NaN", "Infinity" or "-Infinity"; `timestamp` is in milliseconds."""

    key: str
    value: float | str
    timestamp: int
    step: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    """The metrics of one request as JSON, without the brackets of their list."""

    count: int
    content: bytes
    outcome: asyncio.Future[None]


@dataclass(kw_only=True, slots=True)
class _Lane:
    """The requests for one run by one caller that wait for the batch before them to end."""

    client: MLflowClient
    waiting: deque[_Request] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


# Who logs to which run.
_LaneKey = tuple[Caller, str]


class MetricBatches:
    """Logs metrics in batches. Requests share a batch only if they are for the same run, by the same caller.

    A request is sent at once if none is on its way; those that come meanwhile are the next batch, so nothing ever waits
    for company.
    """

    def __init__(self) -> None:
        self._lanes: dict[_LaneKey, _Lane] = {}

    async def log(self, client: MLflowClient, run_id: str, metrics: Sequence[Metric]) -> None:
        """Log metrics of one request, at most 1,000.

        Raises:
            UnavailableError: They weren't logged before the client's deadline, or it isn't known.
            GatewayError: MLflow refuses them, whatever became of other requests in the same batch.
        """
        if len(metrics) > MOST_METRICS:
            raise TooLargeError(f"A request may have {MOST_METRICS} metrics.")
        lane = self._lanes.get((client.caller, run_id))
        if lane is None:
            # Without the deadline of the first request: the lane serves others, too.
            lane = _Lane(client=MLflowClient(client.upstream, client.caller))
            self._lanes[client.caller, run_id] = lane
        request = _Request(
            count=len(metrics), content=_json(metrics), outcome=asyncio.get_running_loop().create_future()
        )
        lane.waiting.append(request)
        if lane.task is None:
            lane.task = asyncio.create_task(self._drain(lane, run_id))
        try:
            async with asyncio.timeout_at(client.deadline):
                await request.outcome
        except TimeoutError as error:
            raise UnavailableError("The metrics could not be logged in time.", retry_after=RETRY_AFTER) from error

    async def aclose(self) -> None:
        """Wait until everything is logged."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drain(self, lane: _Lane, run_id: str) -> None:
        while batch := _taken(lane.waiting):
            await self._log(lane.client, run_id, batch)
        del self._lanes[lane.client.caller, run_id]

    async def _log(self, client: MLflowClient, run_id: str, batch: Sequence[_Request]) -> None:
        try:
            await client.send("runs/log-batch", _body(run_id, batch))
        except _OF_ONE as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            # MLflow checks a batch before it writes, so that none of it is logged. Log each request by itself.
            for request in batch:
                await self._log(client, run_id, [request])
        except GatewayError as error:
            _fail(batch, error)
        except Exception as error:
            _fail(batch, error)
            raise
        else:
            for request in batch:
                if not request.outcome.done():
                    request.outcome.set_result(None)


def _taken(waiting: deque[_Request]) -> list[_Request]:
    """Take the requests of the next batch, without those that nobody waits for any more."""
    batch: list[_Request] = []
    count = size = 0
    while waiting:
        first = waiting[0]
        if batch and (count + first.count > MOST_METRICS or size + len(first.content) > _MOST_BYTES):
            break
        waiting.popleft()
        if not first.outcome.done():
            batch.append(first)
            count += first.count
            size += len(first.content)
    return batch


def _fail(batch: Sequence[_Request], error: Exception) -> None:
    for request in batch:
        if not request.outcome.done():
            request.outcome.set_exception(error)


def _body(run_id: str, batch: Sequence[_Request]) -> bytes:
    # A request without metrics is sent, too, so that MLflow decides whether the caller may log to the run.
    metrics = b",".join(request.content for request in batch if request.content)
    return b'{"run_id":%s,"metrics":[%s]}' % (json.dumps(run_id).encode(), metrics)


def _json(metrics: Sequence[Metric]) -> bytes:
    return json.dumps([_entry(metric) for metric in metrics])[1:-1].encode()


def _entry(metric: Metric) -> dict[str, Any]:
    return {"key": metric.key, "value": metric.value, "timestamp": metric.timestamp, "step": metric.step}
