"""Experiments and runs: the part of the library that records what is tried."""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from workloads.gateway import kept_run, tags
from workloads.gateway.client import MLflowClient
from workloads.gateway.document import Document
from workloads.gateway.errors import ConflictError, ForbiddenError, GatewayError, NotFoundError
from workloads.gateway.idempotency import Key
from workloads.gateway.metric_batches import Metric, MetricBatches
from workloads.gateway.pages import page

EndStatus = Literal["FINISHED", "FAILED", "KILLED"]

# The most parameters of one request of MLflow (mlflow.utils.validation).
_MOST_PARAMETERS: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A started run; `replayed` if an earlier request with the same idempotency key created it."""

    run: Mapping[str, Any]
    replayed: bool = False

    @property
    def run_id(self) -> str:
        """The run's ID."""
        return self.run["info"]["run_id"]


class ExperimentTracker:
    """Creates experiments and runs, and logs to runs. Every method raises GatewayError if MLflow refuses or is away."""

    def __init__(self, client: MLflowClient, batches: MetricBatches) -> None:
        self._client = client
        self._batches = batches

    async def create(self, name: str, *, description: str | None = None, tags_: Mapping[str, str] | None = None) -> str:
        """Create an experiment and return its ID.

        Raises:
            ConflictError: An experiment has this name; the error says which one, and how to go on.
        """
        described = tags.described(tags_ or {}, description)
        try:
            made = await self._client.post("experiments/create", {"name": name, "tags": tags.to_list(described)})
        except ConflictError as error:
            raise await self._taken(name) from error
        return made["experiment_id"]

    async def _taken(self, name: str) -> ConflictError:
        try:
            found = (await self._client.get("experiments/get-by-name", {"experiment_name": name}))["experiment"]
        except GatewayError as error:
            unseen = ", and the caller may not read it" if isinstance(error, ForbiddenError) else ""
            return ConflictError(f"An experiment has the name {name!r} already{unseen}: choose another name.")
        identity = f"the ID {found['experiment_id']}"
        if found.get("lifecycle_stage") == "deleted":
            return ConflictError(
                f"A deleted experiment has the name {name!r} and {identity}. Choose another name, restore it with "
                f"`mlflow experiments restore -x {found['experiment_id']}`, or ask the administrator to remove it for "
                "good with `mlflow gc`."
            )
        return ConflictError(f"An experiment has the name {name!r} already: use it by {identity}, or choose another.")

    async def search(self, *, max_results: int = 100, page_token: str | None = None) -> Document:
        """Return a page of experiments, newest first."""
        body = {"max_results": max_results, "order_by": ["creation_time DESC"]}
        found = await page(functools.partial(self._client.find, "experiments/search"), body, page_token)
        return found.with_list("experiments")

    async def get(self, experiment_id: str) -> Document:
        """Return an experiment."""
        return await self._client.get("experiments/get", {"experiment_id": experiment_id})

    async def start_run(
        self,
        experiment_id: str,
        *,
        name: str | None = None,
        tags_: Mapping[str, str] | None = None,
        key: Key | None = None,
    ) -> Started:
        """Start a run. With a key, the same request returns the same run, however often and wherever it is sent."""
        if key is not None and (run := await kept_run.winner(self._client, experiment_id, key)):
            return Started(run=run, replayed=True)
        all_tags = {**(tags_ or {}), **(key.tags if key else {})}
        body = {"experiment_id": experiment_id, "start_time": _now(), "tags": tags.to_list(all_tags)}
        made = await self._client.post("runs/create", body | ({"run_name": name} if name else {}))
        started = Started(run=made["run"])
        return await self._agreed(experiment_id, key, started) if key else started

    async def _agreed(self, experiment_id: str, key: Key, mine: Started) -> Started:
        run = await kept_run.winner(self._client, experiment_id, key)
        if run is None:
            raise NotFoundError("The run was deleted while it was created.")
        if run["info"]["run_id"] == mine.run_id:
            return mine
        await kept_run.discard(self._client, mine.run_id)
        return Started(run=run, replayed=True)

    async def get_run(self, run_id: str) -> Document:
        """Return a run."""
        return await self._client.get("runs/get", {"run_id": run_id})

    async def end_run(
        self, run_id: str, *, status: EndStatus = "FINISHED", experiment_id: str | None = None
    ) -> Document:
        """End a run, which must be one of `experiment_id` if that is given."""
        if experiment_id is not None:
            run = await self.get_run(run_id)
            if run["run"]["info"]["experiment_id"] != experiment_id:
                raise NotFoundError(f"The experiment {experiment_id} has no run {run_id}.")
        return await self._client.post("runs/update", {"run_id": run_id, "status": status, "end_time": _now()})

    async def log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Log parameters."""
        entries = tags.to_list(params)
        # None at all is a request, too, so that MLflow decides whether the caller may log to the run.
        for start in range(0, max(1, len(entries)), _MOST_PARAMETERS):
            body = {"run_id": run_id, "params": entries[start : start + _MOST_PARAMETERS]}
            await self._client.post("runs/log-batch", body)

    async def log_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """Log metrics, together with those that others log to the same run with the same rights at the same time."""
        await self._batches.log(self._client, run_id, metrics)


def _now() -> int:
    return int(time.time() * 1000)
