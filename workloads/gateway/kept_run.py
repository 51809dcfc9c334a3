"""One run for one idempotency key, however many replicas try to create it at the same time.

Several may search, find nothing, and each create a run. MLflow has one atomic decision to offer: a parameter of a run
is written once, and never changed. Each run is "kept" or "lost" by such a parameter, and these rules keep just one:

1. Whoever wants to keep a run searches after that run was created, and keeps the oldest run that it sees.
2. Before that, it marks all younger ones as lost. If one of them is kept already, that one is the winner.

If two runs were kept, the younger one's keeper didn't see the older run, or saw it lost; and the older one's keeper
didn't see the younger run, which then was created later, so that its keeper did see the older one: a contradiction.
"""

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from workloads.gateway import tags
from workloads.gateway.client import MLflowClient
from workloads.gateway.errors import ConflictError, ForbiddenError, GatewayError
from workloads.gateway.idempotency import Key

_DECISION: Final = "aegis.idempotency"
_KEPT: Final = "kept"
_LOST: Final = "lost"

Run = Mapping[str, Any]


async def winner(client: MLflowClient, experiment_id: str, key: Key) -> Run | None:
    """Return the run that was created with `key`, after all replicas agree on it, or None if there is none.

    Raises:
        KeyReusedError: It was created by another request.
        GatewayError: MLflow refuses, or doesn't answer.
    """
    while candidates := await _candidates(client, experiment_id, key):
        run = await _decided(client, candidates)
        if run is not None:
            key.check(tags.to_dict(run["data"].get("tags")))
            return run
    return None


async def _candidates(client: MLflowClient, experiment_id: str, key: Key) -> list[Run]:
    found = await client.find(
        "runs/search", {"experiment_ids": [experiment_id], "filter": key.filter, "max_results": 100}
    )
    runs = [run for run in found.get("runs", []) if _decision(run) != _LOST]
    return sorted(runs, key=lambda run: (int(run["info"].get("start_time", 0)), run["info"]["run_id"]))


async def _decided(client: MLflowClient, candidates: list[Run]) -> Run | None:
    """Return the kept run, or None if another replica decided in between."""
    for run in candidates:
        if _decision(run) == _KEPT:
            return run
    oldest, *younger = candidates
    for run in reversed(younger):
        if not await _decide(client, run, _LOST):
            return None
        await discard(client, run["info"]["run_id"])
    return oldest if await _decide(client, oldest, _KEPT) else None


async def _decide(client: MLflowClient, run: Run, decision: str) -> bool:
    parameter = {"run_id": run["info"]["run_id"], "key": _DECISION, "value": decision}
    try:
        await client.post("runs/log-parameter", parameter)
    except ConflictError:
        return False
    return True


def _decision(run: Run) -> str | None:
    return tags.to_dict(run["data"].get("params")).get(_DECISION)


async def discard(client: MLflowClient, run_id: str) -> None:
    """Delete a run that lost, or end it if the caller may not delete. Another replica may have done so."""
    with contextlib.suppress(GatewayError):
        try:
            await client.post("runs/delete", {"run_id": run_id})
        except ForbiddenError:
            await client.post("runs/update", {"run_id": run_id, "status": "KILLED"})
