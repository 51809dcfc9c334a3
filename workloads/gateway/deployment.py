"""Served models: what should be served is a tag of the registered model, written with the caller's rights.

The platform's reconciler reads the tag and makes what is served equal to it. The gateway only asks it what is served.
"""

import asyncio
import functools
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from workloads import messages
from workloads.cli import WorkloadError
from workloads.gateway import tags
from workloads.gateway.client import MLflowClient
from workloads.gateway.errors import (
    ConflictError,
    GatewayError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
    NotServedError,
    UnavailableError,
    UpstreamError,
)
from workloads.gateway.idempotency import Key
from workloads.gateway.models import ModelRegistry
from workloads.gateway.rights import Rights
from workloads.gateway.upstream import Answer, Upstream, UpstreamPool
from workloads.serving.wanted import TAG, Wanted, parse_tag

_KEY_TAG: Final = "aegis.serving.key."
# The number of idempotency keys that a model remembers.
_MOST_KEYS: Final = 20
# The sources that win over the tag.
_DECLARED: Final = {"stack": "the settings of the stack", "cli": "the command line"}
# Seconds that the reconciler's list is remembered, and that its word counts that a model isn't served yet.
_REMEMBERED: Final = 3.0
_NOT_YET_REMEMBERED: Final = 0.5
# Seconds between two attempts to predict while a pod is replaced.
_PAUSE: Final = 0.1
_ATTEMPTS: Final = 5
_JSON: Final = "application/json"

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Memory:
    """What all callers' views share: the reconciler's list, and who may read which model."""

    served: Sequence[Mapping[str, Any]] = ()
    served_at: float = -math.inf
    rights: Rights = field(default_factory=Rights)
    hints: set[asyncio.Task[None]] = field(default_factory=set)


class Deployment:
    """Deploys models and asks them. Every method raises GatewayError if a server refuses or is away."""

    def __init__(
        self,
        client: MLflowClient,
        models: ModelRegistry,
        reconciler: Upstream | None,
        services: UpstreamPool,
        memory: Memory,
    ) -> None:
        self._client = client
        self._models = models
        self._reconciler = reconciler
        self._services = services
        self._memory = memory

    async def served(self) -> list[dict[str, Any]]:
        """Return what is served or wanted, of the models that the caller may read."""
        served, wanted = await asyncio.gather(self._served(), self._wanted())
        readable = await asyncio.gather(*(self._may_read(entry["model"]) for entry in served))
        shown = [dict(entry) for entry, allowed in zip(served, readable, strict=True) if allowed]
        known = {entry["model"] for entry in served}
        return shown + [_unseen(name, text) for name, text in wanted.items() if name not in known]

    async def deploy(self, wanted: Wanted, key: Key | None = None) -> None:
        """Declare that a model should be served.

        Raises:
            NotFoundError: The model, version or alias doesn't exist.
            ConflictError: The stack or the command line declares the model.
            KeyReusedError: Another request came with this key.
        """
        if key is not None and await self._deployed_with(key, wanted.model):
            return
        await self._check_version(wanted)
        await self._check_undeclared(wanted.model)
        if key is not None:
            await self._claim(key, wanted.model)
        await self._set_tag(wanted.model, TAG, wanted.to_text())
        self._hint()

    async def remove(self, model: str) -> None:
        """Declare that a model should not be served any more.

        Raises:
            NotFoundError: It isn't served.
            ConflictError: The stack or the command line declares the model.
        """
        found = (await self._models.get(model))["registered_model"]
        await self._check_undeclared(model)
        if TAG not in tags.to_dict(found.get("tags")):
            raise NotFoundError(f"The model {model!r} is not deployed.")
        await self._client.delete("registered-models/delete-tag", {"name": model, "key": TAG})
        self._hint()

    async def predict(self, model: str, body: bytes, content_type: str, *, seconds: float) -> Answer:
        """Ask a served model, and return its answer if it is a success.

        A prediction changes nothing, so it is sent again while a pod is replaced.

        Raises:
            NotFoundError: The model doesn't exist, the caller may not read it, or it isn't served.
            NotServedError: It will be served; the error says what is happening.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        # At the same time, so that the reconciler has time to answer while MLflow doesn't.
        allowed, _ = await asyncio.gather(self._may_read(model), self._served())
        if not allowed:
            raise NotFoundError(f"There is no model {model!r} that the caller may read.")
        service = self._services.of(f"The model {model!r}", await self._service(model))
        answer = await _persistently(service, body, content_type or _JSON, deadline)
        if answer.status == HTTPStatus.OK:
            return answer
        raise _refusal(model, answer)

    async def _service(self, model: str) -> str:
        entry = await self._entry(model, _REMEMBERED)
        if entry is None or not entry.get("served_version"):
            entry = await self._entry(model, _NOT_YET_REMEMBERED)
        if entry is None:
            present = tags.to_dict((await self._models.get(model))["registered_model"].get("tags"))
            if TAG not in present:
                raise NotFoundError(f"The model {model!r} is not deployed.")
            raise NotServedError(_situation(_unseen(model, present[TAG])), retry_after=2)
        if not entry.get("served_version"):
            raise NotServedError(_situation(entry), retry_after=2)
        if not isinstance(service := entry.get("service"), str):
            raise UpstreamError(f"The reconciler does not say where the model {model!r} is served.")
        return service

    async def _entry(self, model: str, seconds: float) -> Mapping[str, Any] | None:
        return next((entry for entry in await self._served(seconds) if entry["model"] == model), None)

    async def _check_version(self, wanted: Wanted) -> None:
        if wanted.version is not None:
            await self._models.version(wanted.model, wanted.version)
        else:
            await self._models.by_alias(wanted.model, wanted.alias or "")

    async def _check_undeclared(self, model: str) -> None:
        source = next((entry.get("source") for entry in await self._served() if entry["model"] == model), None)
        if source in _DECLARED:
            raise ConflictError(
                f"The model {model!r} is declared by {_DECLARED[source]}, which must be changed instead."
            )

    async def _deployed_with(self, key: Key, model: str) -> bool:
        """Return whether the same request came before.

        Raises:
            KeyReusedError: Another request came with the key, maybe for another model.
        """
        name = _KEY_TAG + key.key
        query = {"filter": f"tags.`{name}` LIKE '%'", "max_results": "100"}
        found = await self._client.get("registered-models/search", query)
        for each in found.get("registered_models", []):
            digest = tags.to_dict(each.get("tags")).get(name, "").partition(" ")[0]
            if each["name"] != model or digest != key.body:
                raise KeyReusedError("The Idempotency-Key was sent before, with another request.")
            return True
        return False

    async def _claim(self, key: Key, model: str) -> None:
        name = _KEY_TAG + key.key
        await self._set_tag(model, name, f"{key.body} {int(time.time())}")
        present = tags.to_dict((await self._models.get(model))["registered_model"].get("tags"))
        if not present.get(name, "").startswith(key.body):
            raise KeyReusedError("The Idempotency-Key was sent at the same time, with another request.")
        keys = [each for each in present if each.startswith(_KEY_TAG)]
        for old in sorted(keys, key=lambda each: _claimed(present[each]))[:-_MOST_KEYS]:
            await self._client.delete("registered-models/delete-tag", {"name": model, "key": old})

    async def _set_tag(self, model: str, key: str, value: str) -> None:
        tag = {"name": model, "key": key, "value": value}
        try:
            await self._client.post("registered-models/set-tag", tag)
        except ConflictError:
            # Two requests wrote a new tag at the same time.
            await self._client.post("registered-models/set-tag", tag)

    async def _wanted(self) -> dict[str, str]:
        """Return the tags of the models that the caller may read."""
        query = {"filter": f"tags.`{TAG}` LIKE '%'", "max_results": "1000"}
        found = await self._client.get("registered-models/search", query)
        return {each["name"]: tags.to_dict(each["tags"])[TAG] for each in found.get("registered_models", [])}

    async def _served(self, seconds: float = _REMEMBERED) -> Sequence[Mapping[str, Any]]:
        """Return the reconciler's list. It is asked again after `seconds`; while it is away, its last list counts."""
        now = asyncio.get_running_loop().time()
        if self._reconciler is None:
            return ()
        if now - self._memory.served_at >= seconds:
            try:
                self._memory.served = await self._ask_reconciler(self._reconciler)
            except UnavailableError:
                if not self._memory.served:
                    raise
            self._memory.served_at = now
        return self._memory.served

    async def _ask_reconciler(self, reconciler: Upstream) -> Sequence[Mapping[str, Any]]:
        answer = await reconciler.ask("GET", "/served", deadline=self._client.deadline)
        try:
            served = json.loads(answer.body) if answer.status == HTTPStatus.OK else None
        except (ValueError, RecursionError):
            served = None
        if not isinstance(served, list):
            raise UnavailableError("The reconciler of served models does not say what is served.", retry_after=2)
        return [entry for entry in served if isinstance(entry, dict) and isinstance(entry.get("model"), str)]

    async def _may_read(self, model: str) -> bool:
        ask = functools.partial(self._models.get, model)
        return await self._memory.rights.may_read(self._client.caller, model, ask)

    def _hint(self) -> None:
        """Tell the reconciler that something changed. It would notice by itself, some seconds later."""
        self._memory.served_at = -math.inf
        if self._reconciler is not None:
            task = asyncio.create_task(_send_hint(self._reconciler))
            self._memory.hints.add(task)
            task.add_done_callback(self._memory.hints.discard)


def _claimed(value: str) -> int:
    """Return when a key was claimed, from its tag, which whoever may write to the model may have written."""
    seconds = value.rpartition(" ")[2]
    return int(seconds) if seconds.isdecimal() else 0


async def _send_hint(reconciler: Upstream) -> None:
    try:
        await reconciler.ask("POST", "/hint")
    except GatewayError as error:
        _log.info("No hint to the reconciler: %s", error.detail)


async def _persistently(service: Upstream, body: bytes, content_type: str, deadline: float) -> Answer:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            answer = await service.ask(
                "POST",
                "/invocations",
                # A kept connection keeps its pod: a canary would get no request, and new pods none of the load.
                headers=[("content-type", content_type), ("connection", "close")],
                content=body,
                deadline=deadline,
                safe=True,
            )
        except UnavailableError:
            if attempt == _ATTEMPTS or asyncio.get_running_loop().time() + _PAUSE >= deadline:
                raise
        else:
            if answer.status != HTTPStatus.SERVICE_UNAVAILABLE or attempt == _ATTEMPTS:
                return answer
        await asyncio.sleep(_PAUSE * attempt)
    raise AssertionError("the last attempt returns or raises")


def _refusal(model: str, answer: Answer) -> GatewayError:
    text = answer.body[:1000].decode(errors="replace")
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return UnavailableError(f"The model {model!r} is busy.", retry_after=1)
    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidError(f"The model {model!r} refuses the input: {text}")
    return UpstreamError(f"The model {model!r} failed with the status {answer.status}: {text}")


def _unseen(model: str, text: str) -> dict[str, Any]:
    """Return the entry of a model of which only its tag is known, which may hold anything."""
    try:
        version, state = parse_tag(model, text).version, "waiting"
        reason = "the reconciler has not seen it yet"
    except WorkloadError as error:
        version, state = None, "refused"
        reason = messages.plain(f"its tag {TAG} can't be used: {error}").removesuffix(".")
    entry = {"model": model, "wanted_version": version, "served_version": None, "state": state}
    return entry | {"reason": reason, "source": "tag"}


def _situation(entry: Mapping[str, Any]) -> str:
    reason = f": {entry['reason']}" if entry.get("reason") else ""
    wanted = entry.get("wanted_version")
    subject = f"Version {wanted} of the model" if wanted else "The model"
    return f"{subject} {entry['model']!r} is {entry.get('state', 'waiting')}{reason}."
