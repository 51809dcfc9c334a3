"""The Lease by which one of the reconciler's processes leads: https://kubernetes.io/docs/concepts/architecture/leases/."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from lightkube import ApiError, AsyncClient
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease

from workloads.serving.reconciler.cluster import ERRORS

# Seconds without a renewal after which another process may lead, and after which this one stops, which is sooner.
DURATION: Final = 15
_OWN_DURATION: Final = 10
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Leadership:
    """The hold of this process on the Lease `name`; `clock` returns seconds that never go back.

    As in client-go, other processes' times aren't compared with ours: a Lease is free if it hasn't changed for its
    duration since we saw it first.
    """

    client: AsyncClient
    namespace: str
    name: str
    identity: str
    clock: Callable[[], float]
    _held_until: float = field(default=float("-inf"))
    _seen: str | None = None
    _seen_at: float = 0

    def holds(self) -> bool:
        """Return whether this process leads at this moment."""
        return self.clock() < self._held_until

    async def renew(self) -> bool:
        """Take or keep the Lease if that is possible, and return whether this process leads."""
        started = self.clock()
        try:
            held = await self._take()
        except ERRORS as error:
            if isinstance(error, ApiError) and error.status.code == _CONFLICT:
                held = False
            else:
                _log.warning("the Lease %s can't be renewed: %s", self.name, error)
                return self.holds()
        self._held_until = started + _OWN_DURATION if held else float("-inf")
        return held

    async def release(self) -> None:
        """Give the Lease to whoever asks next."""
        if not self.holds():
            return
        self._held_until = float("-inf")
        try:
            lease = await self.client.get(Lease, self.name, namespace=self.namespace)
            if lease.spec and lease.spec.holderIdentity == self.identity:
                lease.spec.holderIdentity = ""
                lease.spec.leaseDurationSeconds = 1
                await self.client.replace(lease)
        except ERRORS as error:
            _log.warning("the Lease %s can't be released: %s", self.name, error)

    async def _take(self) -> bool:
        try:
            lease = await self.client.get(Lease, self.name, namespace=self.namespace)
        except ApiError as error:
            if error.status.code != _NOT_FOUND:
                raise
            metadata = ObjectMeta(name=self.name, namespace=self.namespace)
            await self.client.create(Lease(metadata=metadata, spec=self._spec(None)))
            return True
        if not self._is_free(lease):
            return False
        lease.spec = self._spec(lease.spec)
        # The resource version makes this fail if another process was faster.
        await self.client.replace(lease)
        return True

    def _is_free(self, lease: Lease) -> bool:
        spec = lease.spec or LeaseSpec()
        if not spec.holderIdentity or spec.holderIdentity == self.identity:
            return True
        version = lease.metadata.resourceVersion if lease.metadata else None
        if version != self._seen:
            self._seen, self._seen_at = version, self.clock()
        return self.clock() - self._seen_at > (spec.leaseDurationSeconds or DURATION)

    def _spec(self, before: LeaseSpec | None) -> LeaseSpec:
        now = datetime.now(UTC)
        mine = before is not None and before.holderIdentity == self.identity
        return LeaseSpec(
            holderIdentity=self.identity,
            leaseDurationSeconds=DURATION,
            acquireTime=before.acquireTime if before and mine else now,
            renewTime=now,
            leaseTransitions=(before.leaseTransitions or 0) + (0 if mine else 1) if before else 0,
        )
