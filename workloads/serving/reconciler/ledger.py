"""Write the steps of rollouts as signed records, and read them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.registry.decisions import identity, record
from workloads.registry.decisions.chain import Chain, Mark
from workloads.registry.decisions.record import Record
from workloads.release.store import ReleaseStore
from workloads.serving.rollout.memory import Draft
from workloads.serving.rollout.record import ROLLOUTS, Rollout
from workloads.signing.keys import Signer

# Of the two processes that may write for a moment while the leader changes, one loses a number.
_ATTEMPTS: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutLedger:
    """The records of all models in `store`, signed by `signer`; `trusted` returns the keys that verify them."""

    store: ReleaseStore
    signer: Signer
    trusted: Callable[[], Sequence[PublicKey]]

    def write(self, model: str, draft: Draft, known: Mark | None) -> Mark:
        """Write the record of a step after the last one, and return its mark; nothing if it is written already.

        `known` is a record that this process wrote before: it counts even if its key was revoked since.

        Raises:
            NotVerifiedError: The chain was changed.
            WorkloadError: Vault or the object store is dead or refuses.
        """
        trusted = self.trusted()
        chain = Chain(kind=ROLLOUTS, store=self.store, model=model, trusted=trusted)
        for _ in range(_ATTEMPTS):
            found = _since(chain, known)
            # Not only the last one: a process that led before may have been slow to write a record that the next one
            # wrote too.
            if any(_is_of(each.decision, draft) for each in found):
                return _mark(found[-1])
            if written := self._append(chain, draft, found[-1] if found else None):
                return _mark(written)
        raise WorkloadError(f"another process writes records of {model} all the time.", Exit.CONFLICT)

    def _append(self, chain: Chain[Rollout], draft: Draft, head: Record[Rollout] | None) -> Record[Rollout] | None:
        ring = self.signer.key_ring()
        newest = ring.versions[ring.latest]
        if newest.fingerprint not in {key.fingerprint for key in chain.trusted}:
            raise WorkloadError(
                f"the newest signing key, version {ring.latest}, is not trusted yet.", Exit.NOT_VERIFIED
            )
        step = Rollout(
            model=chain.model,
            number=head.number + 1 if head else 1,
            previous=head.sha256 if head else None,
            action=draft.action,
            from_version=draft.from_version,
            to_version=draft.to_version,
            alias=draft.alias,
            source=draft.source,
            content_sha256=draft.content_sha256 or None,
            reason=draft.reason,
            time=_iso(draft.time),
            identity=dict(identity.authenticated(self.signer)),
        )
        content = record.seal(step, self.signer, ring)
        if not chain.create(step.number, content) or chain.content(step.number) != content:
            return None
        return record.verify(content, step.number, chain.model, chain.trusted, ROLLOUTS)


def history(store: ReleaseStore, model: str, trusted: Sequence[PublicKey]) -> list[Record[Rollout]]:
    """Return all records of a model, verified.

    Raises:
        NotVerifiedError: One was changed or removed, or its key was revoked and no good one follows it.
        WorkloadError: The object store is dead.
    """
    return Chain(kind=ROLLOUTS, store=store, model=model, trusted=trusted).since(None)


def _since(chain: Chain[Rollout], known: Mark | None) -> list[Record[Rollout]]:
    """Return the records from `known` on, which was verified when it was written; all of them without it."""
    if known is None:
        return chain.since(None)
    content = chain.content(known.number)
    if content is None:
        raise NotVerifiedError(f"{chain.uri(known.number)} is missing: put it back from a copy of the bucket")
    found = record.read(content, known.number, chain.model, chain.trusted, ROLLOUTS)
    if found.sha256 != known.sha256:
        raise NotVerifiedError(f"{chain.uri(known.number)} was replaced: put it back from a copy of the bucket")
    return [found, *replace(chain, accepted=known.sha256).since(found)]


def _is_of(step: Rollout, draft: Draft) -> bool:
    return (step.action, step.to_version, step.time) == (draft.action, draft.to_version, _iso(draft.time))


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds")


def _mark(found: Record[Rollout]) -> Mark:
    return Mark(number=found.number, sha256=found.sha256)
