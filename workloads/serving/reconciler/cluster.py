"""The reconciler's view of its namespace: one picture of all objects, and writes that only the leader makes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from lightkube import ApiError, AsyncClient, codecs
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import ConfigMap, PersistentVolumeClaim, Pod, Service
from lightkube.resources.policy_v1 import PodDisruptionBudget
from lightkube.types import CascadeType, PatchType

from workloads.serving.rollout import names
from workloads.serving.rollout.pods import Object

InferenceService: Final[Any] = create_namespaced_resource(
    "serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices"
)
# What a server that doesn't answer raises, and one that refuses.
ERRORS: Final = (ApiError, httpx2.HTTPError)

_KINDS: Final[Sequence[Any]] = (Service, Job, PersistentVolumeClaim, Pod)
_NOT_FOUND: Final = 404
_UNPROCESSABLE: Final = 422


class NotLeadingError(Exception):
    """Nothing may be changed: another process holds the Lease, or may take it."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The namespace of the served models; every write asks `may_write` first."""

    client: AsyncClient
    namespace: str
    may_write: Callable[[], bool]
    kserve: bool = False

    async def objects(self) -> list[Object]:
        """Return the objects of all served models, and their pods."""
        # KServe gives its own Deployments the labels of the InferenceService.
        kinds = (*_KINDS, InferenceService if self.kserve else Deployment)
        return [each for kind in kinds for each in await self._list(kind, dict(names.MANAGED_BY))]

    async def versions(self, model: str) -> list[str]:
        """Return the versions of which there is any object."""
        labels = [each["metadata"].get("labels") or {} for each in await self.objects()]
        mine = [each for each in labels if each.get(names.MODEL) == names.label(model)]
        return sorted({each[names.VERSION] for each in mine if names.VERSION in each})

    async def config_maps(self, label: str) -> list[Object]:
        """Return the ConfigMaps on which `label` is "true"."""
        return await self._list(ConfigMap, {label: "true"})

    async def apply(self, wanted: Object) -> None:
        """Make an object as `wanted`. A Job that can't be changed is removed, and made at the next turn."""
        self._check()
        try:
            await self.client.apply(codecs.from_dict(wanted), field_manager=names.FIELD_MANAGER, force=True)
        except ApiError as error:
            if error.status.code != _UNPROCESSABLE or wanted["kind"] != "Job":
                raise
            await self._delete(Job, wanted["metadata"]["name"])

    async def open(self, pod: str) -> None:
        """Let a pod answer while a canary is tried."""
        self._check()
        patch = {"metadata": {"labels": {names.TRAFFIC: names.OPEN}}}
        try:
            await self.client.patch(Pod, pod, patch, namespace=self.namespace, patch_type=PatchType.MERGE)
        except ApiError as error:
            if error.status.code != _NOT_FOUND:
                raise

    async def remove_servers(self, model: str, version: str) -> None:
        """Remove what runs a version's servers."""
        name = names.server(model, version)
        # A Deployment is from before the cluster had KServe, whose own ones have other names.
        for kind in (*([InferenceService] if self.kserve else []), Deployment, PodDisruptionBudget):
            await self._delete(kind, name)

    async def remove_delivery(self, model: str, version: str) -> None:
        """Remove a version's delivery; its volume stays."""
        await self._delete(Job, names.delivery(model, version))

    async def discard(self, model: str, version: str) -> None:
        """Remove a version's delivery and its volume."""
        await self.remove_delivery(model, version)
        await self._delete(PersistentVolumeClaim, names.volume(model, version))

    async def remove_service(self, model: str) -> None:
        """Remove a model's Service."""
        await self._delete(Service, names.label(model))

    async def forget(self, name: str) -> None:
        """Remove a ConfigMap."""
        await self._delete(ConfigMap, name)

    async def _list(self, kind: Any, labels: dict[str, Any]) -> list[Object]:  # noqa: ANN401 - any kind of lightkube
        found = self.client.list(kind, namespace=self.namespace, labels=labels)
        return [{**each.to_dict(), "kind": kind.__name__} async for each in found]

    async def _delete(self, kind: Any, name: str) -> None:  # noqa: ANN401 - any kind of lightkube
        self._check()
        try:
            await self.client.delete(kind, name, namespace=self.namespace, cascade=CascadeType.BACKGROUND)
        except ApiError as error:
            if error.status.code != _NOT_FOUND:
                raise

    def _check(self) -> None:
        if not self.may_write():
            raise NotLeadingError


async def has_kserve(client: AsyncClient, namespace: str) -> bool:
    """Return whether the cluster has KServe's InferenceServices."""
    try:
        async for _ in client.list(InferenceService, namespace=namespace, chunk_size=1):
            break
    # Of an API that it doesn't know, the server says so in plain text, which is no `ApiError`.
    except httpx2.HTTPStatusError as error:
        if error.response.status_code == _NOT_FOUND:
            return False
        raise
    return True
