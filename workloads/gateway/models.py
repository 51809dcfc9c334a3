"""Registered models and their versions."""

import contextlib
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from workloads.gateway import artifact_path, tags
from workloads.gateway.client import MLflowClient
from workloads.gateway.document import Document
from workloads.gateway.errors import ConflictError, ForbiddenError, InvalidError, KeyReusedError, NotFoundError
from workloads.gateway.idempotency import Key
from workloads.gateway.pages import page

Stage = Literal["None", "Staging", "Production", "Archived"]

_RUN_SOURCE: Final = re.compile(r"runs:/+([A-Za-z0-9][\w-]*)/(.+)")
_LOGGED_MODEL: Final = re.compile(r"models:/+(m-[0-9a-f]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """A model to register, and its first or next version if `source` is set.

    `source` is `runs:/RUN/PATH`, `models:/MODEL_ID`, or the address of a folder of artifacts.
    """

    name: str
    description: str | None = None
    tags: Mapping[str, str]
    source: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered:
    """What was registered, in MLflow's form; `replayed` as for a run."""

    document: Document
    replayed: bool = False


class ModelRegistry:
    """Registers models. Every method raises GatewayError if MLflow refuses or is away."""

    def __init__(self, client: MLflowClient) -> None:
        self._client = client

    async def search(self, *, max_results: int = 100, page_token: str | None = None) -> Document:
        """Return a page of registered models, by name."""
        params = {"max_results": str(max_results)}
        found = await page(functools.partial(self._client.get, "registered-models/search"), params, page_token)
        return found.with_list("registered_models")

    async def get(self, name: str) -> Document:
        """Return a registered model."""
        return await self._client.get("registered-models/get", {"name": name})

    async def versions(self, name: str, *, max_results: int = 100, page_token: str | None = None) -> Document:
        """Return a page of a model's versions, newest first."""
        order = "version_number DESC"
        params = {"filter": f"name = '{name}'", "max_results": str(max_results), "order_by": order}
        found = await page(functools.partial(self._client.get, "model-versions/search"), params, page_token)
        if "model_versions" not in found:
            await self.get(name)
        return found.with_list("model_versions")

    async def version(self, name: str, version: str) -> Document:
        """Return a version of a model."""
        return await self._client.get("model-versions/get", {"name": name, "version": version})

    async def by_alias(self, name: str, alias: str) -> Document:
        """Return the version that an alias names. MLflow answers 400 if there is none."""
        try:
            return await self._client.get("registered-models/alias", {"name": name, "alias": alias})
        except InvalidError as error:
            raise NotFoundError(error.detail) from error

    async def set_stage(self, name: str, version: str, stage: Stage, *, archive_existing: bool = False) -> Document:
        """Move a version to a stage; `archive_existing` archives those that are in Staging or Production already."""
        archive = archive_existing and stage in ("Staging", "Production")
        body = {"name": name, "version": version, "stage": stage, "archive_existing_versions": archive}
        return await self._client.post("model-versions/transition-stage", body)

    async def register(self, registration: Registration, key: Key | None = None) -> Registered:
        """Register a model, or a version of it if the registration has a source.

        With a key, the same request returns the same model or version, however often and wherever it is sent.
        """
        if registration.source is None:
            return await self._register_model(registration, key)
        return await self._register_version(registration, key)

    async def _register_model(self, registration: Registration, key: Key | None) -> Registered:
        if key and (model := await self._model_of(key)):
            return Registered(document=Document.of({"registered_model": model}), replayed=True)
        try:
            return Registered(document=await self._create_model(registration, key.tags if key else {}))
        except ConflictError:
            # Names are unique: of several requests with one key, all but one come here.
            model = await self._model_of(key) if key else None
            if model is None or model["name"] != registration.name:
                raise
            return Registered(document=Document.of({"registered_model": model}), replayed=True)

    async def _model_of(self, key: Key) -> Mapping[str, Any] | None:
        found = await self._client.get("registered-models/search", {"filter": key.filter, "max_results": "1"})
        for model in found.get("registered_models", []):
            key.check(tags.to_dict(model.get("tags")))
            return model
        return None

    async def _create_model(self, registration: Registration, more: Mapping[str, str]) -> Document:
        body = {"name": registration.name, "tags": tags.to_list({**registration.tags, **more})}
        described = {} if registration.description is None else {"description": registration.description}
        return await self._client.post("registered-models/create", body | described)

    async def _register_version(self, registration: Registration, key: Key | None) -> Registered:
        if key and (found := await self._versions_of(key)):
            return Registered(document=Document.of({"model_version": found[0]}), replayed=True)
        # The source first: a wrong one must not leave a model without versions behind.
        source = await self._resolved(registration)
        with contextlib.suppress(ConflictError):
            await self._create_model(registration, {})
        made = await self._create_version(registration, source, key.tags if key else {})
        return await self._agreed(key, made) if key else Registered(document=made)

    async def _agreed(self, key: Key, made: Document) -> Registered:
        """Let the lowest version win: MLflow counts them in the order in which they are written."""
        mine = made["model_version"]
        try:
            first, *_ = await self._versions_of(key)
        except KeyReusedError:
            await self._discard(mine)
            raise
        if first["version"] == mine["version"]:
            return Registered(document=made)
        await self._discard(mine)
        return Registered(document=Document.of({"model_version": first}), replayed=True)

    async def _versions_of(self, key: Key) -> list[Mapping[str, Any]]:
        found = await self._client.get("model-versions/search", {"filter": key.filter, "max_results": "100"})
        versions = sorted(found.get("model_versions", []), key=lambda version: int(version["version"]))
        if versions:
            key.check(tags.to_dict(versions[0].get("tags")))
        return versions

    async def _discard(self, version: Mapping[str, Any]) -> None:
        """Delete a version that lost, or archive it if the caller may not delete."""
        name, number = version["name"], version["version"]
        try:
            await self._client.delete("model-versions/delete", {"name": name, "version": number})
        except ForbiddenError:
            await self.set_stage(name, number, "Archived")

    async def _create_version(
        self, registration: Registration, source: Mapping[str, str], more: Mapping[str, str]
    ) -> Document:
        body = {"name": registration.name, "tags": tags.to_list({**registration.tags, **more}), **source}
        described = {} if registration.description is None else {"description": registration.description}
        try:
            return await self._client.post("model-versions/create", body | described)
        except InvalidError as error:
            # MLflow's one reason to refuse what has the right form: the source doesn't belong to the run or model.
            raise ConflictError(error.detail) from error

    async def _resolved(self, registration: Registration) -> dict[str, str]:
        """Return the fields that say where a version comes from, as MLflow's own client would find them."""
        source = registration.source or ""
        if found := _LOGGED_MODEL.fullmatch(source):
            logged = await self._client.get(f"logged-models/{found[1]}")
            run_id = registration.run_id or logged["model"]["info"].get("source_run_id")
            return {"source": source, "model_id": found[1]} | ({"run_id": run_id} if run_id else {})
        if found := _RUN_SOURCE.fullmatch(source):
            return await self._from_run(found[1], artifact_path.checked(found[2]))
        return {"source": source} | ({"run_id": registration.run_id} if registration.run_id else {})

    async def _from_run(self, run_id: str, path: str) -> dict[str, str]:
        run = (await self._client.get("runs/get", {"run_id": run_id}))["run"]
        for output in reversed(run.get("outputs", {}).get("model_outputs", [])):
            logged = await self._client.get(f"logged-models/{output['model_id']}")
            if logged["model"]["info"].get("name") == path:
                return {"source": f"models:/{output['model_id']}", "model_id": output["model_id"], "run_id": run_id}
        listed = await self._client.get("artifacts/list", {"run_id": run_id, "path": path})
        if "files" not in listed:
            raise NotFoundError(f"The run {run_id} has no model {path!r}.")
        return {"source": f"{run['info']['artifact_uri'].rstrip('/')}/{path}", "run_id": run_id}
