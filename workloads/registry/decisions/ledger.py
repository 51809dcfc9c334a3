"""The decisions of one model with the services that they need: MLflow, the chain, and the signer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from aegis import evidence
from aegis import version as versions
from aegis.evidence import Signed
from aegis.keys import PublicKey
from aegis.version import SignedVersion
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry.decisions import identity, record
from workloads.registry.decisions.chain import HEAD_TAG, Chain, Mark, parse_mark
from workloads.registry.decisions.record import DECISIONS, Action, Decision, Record, Subject
from workloads.registry.decisions.state import State
from workloads.release.store import ReleaseStore
from workloads.signing.keys import KeyRing, Signer

# Tags of the version that a decision chose: the record's mark, and its address.
VERSION_TAG = "aegis.decision"
URI_TAG = "aegis.decision.uri"


@dataclass(frozen=True, kw_only=True, slots=True)
class Seal:
    """What signs a record: the signer, its keys, and who it signs for."""

    signer: Signer
    ring: KeyRing
    identity: dict[str, object]
    by: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """The decisions of `model`; `trusted` are the keys that verify its versions and its records."""

    model: str
    tracking: Tracking
    store: ReleaseStore
    signer: Signer
    trusted: Sequence[PublicKey]
    by: str | None = None
    chain: Chain = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "chain", Chain(kind=DECISIONS, store=self.store, model=self.model, trusted=self.trusted)
        )

    def seal(self) -> Seal:
        """Ask the signer for its keys, which shows that it answers, and who signs.

        Raises:
            WorkloadError: Vault is dead or refuses (`Exit.VAULT`), or its newest key isn't trusted
                (`Exit.NOT_VERIFIED`).
        """
        ring = self.signer.key_ring()
        newest = ring.versions[ring.latest]
        if newest.fingerprint not in {key.fingerprint for key in self.trusted}:
            raise WorkloadError(
                f"the newest version of {self.signer.mount}/{self.signer.key}, {ring.latest}, is not among the trusted "
                "keys, so no one could verify its records: add its public key to them.",
                Exit.NOT_VERIFIED,
            )
        return Seal(
            signer=self.signer,
            ring=ring,
            identity=dict(identity.authenticated(self.signer)),
            by=identity.claimed(self.by),
        )

    def registered(self) -> RegisteredModel:
        """Return MLflow's registered model.

        Raises:
            WorkloadError: There is none, or MLflow is dead (`Exit.MLFLOW`).
        """
        return self.tracking.ask(lambda: self.tracking.client.get_registered_model(self.model))

    def version(self, number: str) -> ModelVersion:
        """Return a version.

        Raises:
            WorkloadError: There is none, or MLflow is dead (`Exit.MLFLOW`).
        """
        return self.tracking.ask(lambda: self.tracking.client.get_model_version(self.model, number))

    def verified(self, version: ModelVersion, *, deep: bool = False) -> Signed:
        """Check the signature of a version, and that the names and sizes of its files are the signed ones.

        With `deep`, read all bytes of its files and compare those too.

        Raises:
            NotVerifiedError: It doesn't verify.
            WorkloadError: MLflow or the artifact store is dead.
        """
        with versions.naming(version):
            signed = evidence.check(version, self.trusted)
        checked = SignedVersion(registered=version, signed=signed, client=self.tracking.client)
        location = version.source or f"models:/{self.model}/{version.version}"
        repository = self.tracking.store(checked.listed, location)
        if deep:
            with TemporaryDirectory(prefix="aegis-") as scratch:
                self.tracking.store(lambda: checked.fetch(repository, Path(scratch, "files")), location)
        return signed


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """The chain's last record, and MLflow's aliases and tags, as they were read."""

    head: Record | None
    aliases: dict[str, str]
    mark: Mark | None

    @property
    def state(self) -> State:
        """The state that the chain demands."""
        return self.head.decision.state if self.head else State()

    def version_of(self, alias: str) -> str | None:
        """Return the version of an alias by the chain, or by MLflow if no decision moved it yet."""
        return self.state.aliases.get(alias) or self.aliases.get(alias)


def look(ledger: Ledger, accepted: str | None = None) -> Situation:
    """Read MLflow, and the end of the chain; `accepted` is the digest of a record that needs no trusted key.

    The tags are read first: a record is written before the tags that name it.

    Raises:
        NotVerifiedError: The end of the chain was changed or removed.
        WorkloadError: A service is dead.
    """
    registered = ledger.registered()
    mark = parse_mark((registered.tags or {}).get(HEAD_TAG))
    aliases = {alias: str(version) for alias, version in (registered.aliases or {}).items()}
    chain = replace(ledger.chain, accepted=accepted)
    return Situation(head=chain.head(mark), aliases=aliases, mark=mark)


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A decision that has no place in the chain yet."""

    action: Action
    alias: str
    from_version: str | None
    to_version: str | None
    subject: Subject
    after: Callable[[State], State]
    reason: str | None = None
    stage: str | None = None
    policy: dict[str, str] | None = None
    evidence: dict[str, object] | None = None
    approvals: tuple[str, ...] = ()

    def following(self, head: Record | None, model: str, seal: Seal) -> Decision:
        """Return the decision as the one that follows `head`."""
        return Decision(
            model=model,
            number=head.number + 1 if head else 1,
            previous=head.sha256 if head else None,
            action=self.action,
            alias=self.alias,
            from_version=self.from_version if self.from_version != self.to_version else None,
            to_version=self.to_version,
            subject=self.subject,
            state=self.after(head.decision.state if head else State()),
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            identity=seal.identity,
            by=seal.by,
            reason=self.reason,
            stage=self.stage,
            policy=self.policy,
            evidence=self.evidence,
            approvals=self.approvals,
        )


def write(ledger: Ledger, seal: Seal, draft: Draft, head: Record | None) -> Record | None:
    """Sign `draft` and write it as the record that follows `head`; return None if another record does already.

    Raises:
        WorkloadError: Vault or the object store is dead. Nothing has moved then.
    """
    decision = draft.following(head, ledger.model, seal)
    content = record.seal(decision, seal.signer, seal.ring)
    # Read back, because an object store that ignores the condition lets the last writer win.
    if not ledger.chain.create(decision.number, content) or ledger.chain.content(decision.number) != content:
        return None
    return record.verify(content, decision.number, ledger.model, ledger.trusted, DECISIONS)
