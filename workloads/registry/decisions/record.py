"""A decision as a signed record: an in-toto statement in a DSSE envelope, in one canonical form.

Format of the statement: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, Literal, Protocol

from typing_extensions import TypeVar

from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey, signer_of
from aegis.manifest import SigningKey
from aegis.strict import load_json, parse_json, to_json
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.registry.decisions.state import State
from workloads.signing import dsse
from workloads.signing.keys import KeyRing, Signer

PREDICATE_TYPE: Final = "urn:aegis:model-decision:v1"
# In bytes. Limited because a record is read before it can be trusted.
LARGEST: Final = 1 << 20

Action = Literal["nominate", "promote", "rollback", "correct", "accept"]
_ACTIONS: Final = {"nominate", "promote", "rollback", "correct", "accept"}
_SHA256_HEX: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A model version: its number, and the digest of its signed files (`aegis.manifest.Manifest.content_sha256`)."""

    version: str
    content_sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A decision about the registered model `model`, the `number`th, after the record with the digest `previous`.

    `alias` moves from one version to the other, after which MLflow must have the aliases and stages of `state`.
    `identity` is who signed in to Vault, `by` who claims to have asked. `time` is in UTC, ISO 8601. `policy` has its
    name and digest, `evidence` the policy's report and addresses. A `correct` without `to_version` takes back a first
    decision; its subject is the version that it takes the alias from. An `accept` moves nothing: its key vouches for
    the record before it, whose key was or will be revoked.
    """

    model: str
    number: int
    previous: str | None
    action: Action
    alias: str
    from_version: str | None
    to_version: str | None
    subject: Subject
    state: State
    time: str
    identity: Mapping[str, Any]
    by: str | None = None
    reason: str | None = None
    stage: str | None = None
    policy: Mapping[str, str] | None = None
    evidence: Mapping[str, Any] | None = None
    approvals: Sequence[str] = ()

    def statement(self, key: SigningKey) -> bytes:
        """Return the in-toto statement of the decision, to be signed by `key`."""
        predicate = asdict(self) | {"key": asdict(key), "approvals": list(self.approvals)}
        del predicate["subject"], predicate["state"]
        return to_json(
            {
                "_type": dsse.STATEMENT_TYPE,
                "subject": [
                    {
                        "name": f"models:/{self.model}/{self.subject.version}",
                        "digest": {"sha256": self.subject.content_sha256},
                    }
                ],
                "predicateType": PREDICATE_TYPE,
                "predicate": predicate | {"aliases": dict(self.state.aliases), "stages": dict(self.state.stages)},
            }
        )


class Entry(Protocol):
    """What a chain's records say of a registered model: a decision, or another kind with a place in its own chain."""

    @property
    def model(self) -> str:
        """The registered model's name."""
        ...

    @property
    def number(self) -> int:
        """The record's number, from 1."""
        ...

    @property
    def previous(self) -> str | None:
        """The digest of the record before it."""
        ...

    def statement(self, key: SigningKey) -> bytes:
        """Return the in-toto statement, to be signed by `key`."""
        ...


E = TypeVar("E", bound=Entry, default=Decision)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind(Generic[E]):
    """A kind of records: what messages call them, the folder of a model's, and how a statement is read.

    `parse` raises `KeyError`, `IndexError`, `TypeError`, `ValueError` or `AttributeError` for what isn't of the kind.
    """

    name: str
    folder: str
    parse: Callable[[Mapping[str, Any]], E]


@dataclass(frozen=True, kw_only=True, slots=True)
class Record(Generic[E]):
    """A record: its decision, the SHA-256 in hex of its file, and the trusted `key` that signed it.

    Without a `key`, nothing shows that `signed_by`, the key that it names, signed it. It is good only if a later record
    that is good names its SHA-256.
    """

    decision: E
    sha256: str
    key: PublicKey | None
    signed_by: SigningKey

    @property
    def number(self) -> int:
        """The record's number, from 1."""
        return self.decision.number


def seal(decision: Entry, signer: Signer, ring: KeyRing) -> bytes:
    """Return the record's file, signed with the newest version of the signer's key.

    Raises:
        WorkloadError: Vault is dead or refuses (`Exit.VAULT`), or the record is larger than 1 MiB (`Exit.USAGE`).
    """
    key = ring.versions[ring.latest]
    signing = SigningKey(mount=signer.mount, name=signer.key, version=ring.latest, fingerprint=key.fingerprint)
    payload = decision.statement(signing)
    digest = dsse.digest_to_sign(payload)
    [signature] = signer.sign([digest], ring.latest)
    if not key.accepts(signature, digest):
        raise WorkloadError(f"Vault returned a signature that {key.name} does not accept.", Exit.VAULT)
    content = to_json(dsse.envelope(payload, signature, key.fingerprint))
    if len(content) > LARGEST:
        raise WorkloadError(
            f"the record of the decision would have {len(content)} bytes, and at most {LARGEST} are allowed: shorten "
            "the reason or the policy's report.",
            Exit.USAGE,
        )
    return content


def verify(content: bytes, number: int, model: str, trusted: Sequence[PublicKey], kind: Kind[E]) -> Record[E]:
    """Return the record in a file, which a trusted key must have signed as this number for this model.

    Raises:
        NotVerifiedError: It was changed, or isn't that record.
    """
    record = read(content, number, model, trusted, kind)
    if record.key is None:
        raise untrusted(number, trusted)
    return record


def read(content: bytes, number: int, model: str, trusted: Sequence[PublicKey], kind: Kind[E]) -> Record[E]:
    """Return the record in a file; its `key` is None if no trusted key signed it.

    Raises:
        NotVerifiedError: It was changed, or isn't this record of this model.
    """
    if len(content) > LARGEST:
        raise NotVerifiedError(f"record {number} is larger than {LARGEST >> 20} MiB")
    name = f"record {number}"
    envelope = parse_json(content, name)
    payload, signature = dsse.contents(envelope, name)
    digest = dsse.digest_to_sign(payload)
    key = signer_of(signature, digest, trusted)
    try:
        decision, signed_by = _entry(payload, name, key, kind)
        if content != to_json(dsse.envelope(payload, signature, signed_by.fingerprint)):
            raise NotVerifiedError(f"{name} is not in the form in which records are written")
        _check_place(decision, name, number, model)
    except NotVerifiedError as error:
        raise error if key else untrusted(number, trusted) from error
    return Record(decision=decision, sha256=hashlib.sha256(content).hexdigest(), key=key, signed_by=signed_by)


def untrusted(number: int, trusted: Sequence[PublicKey]) -> NotVerifiedError:
    """Return the error about a record that no trusted key signed."""
    names = ", ".join(key.name for key in trusted) or "none"
    return NotVerifiedError(f"record {number} was changed, or signed with a key that isn't trusted (trusted: {names})")


def _check_place(decision: Entry, name: str, number: int, model: str) -> None:
    if decision.model != model:
        raise NotVerifiedError(f"{name} belongs to the model {decision.model!r}, not to {model!r}")
    if decision.number != number:
        raise NotVerifiedError(f"{name} was signed as record {decision.number}: it was moved or copied")


def _entry(payload: bytes, name: str, key: PublicKey | None, kind: Kind[E]) -> tuple[E, SigningKey]:
    try:
        statement = load_json(payload)
        signing = SigningKey(**statement["predicate"]["key"])
        decision = kind.parse(statement)
        same = decision.statement(signing) == payload
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise NotVerifiedError(f"{name} is not a {kind.name}: {error} is missing or wrong") from error
    if not same:
        raise NotVerifiedError(f"{name} is not a {kind.name} in the form in which they are signed")
    if key and signing.fingerprint != key.fingerprint:
        raise NotVerifiedError(f"{name} names another key than the one that signed it, {key.name}")
    return decision, signing


def _parsed(statement: Mapping[str, Any]) -> Decision:
    """Return the decision in a statement; what can't be written again is found later."""
    predicate = dict(statement["predicate"])
    [subject] = statement["subject"]
    aliases, stages = predicate.pop("aliases"), predicate.pop("stages")
    del predicate["key"]
    decision = Decision(
        **predicate,
        subject=Subject(
            version=subject["name"].rpartition("/")[2], content_sha256=sha256_in(subject["digest"]["sha256"])
        ),
        state=State(aliases=dict(aliases), stages=dict(stages)),
    )
    if decision.action not in _ACTIONS:
        raise ValueError(f"the action {decision.action!r}")
    if decision.previous is not None:
        sha256_in(decision.previous)
    return decision


def sha256_in(text: str) -> str:
    """Return the SHA-256 in hex in a statement; raise `ValueError` if it isn't one."""
    if len(text) != _SHA256_HEX or not set(text) <= set("0123456789abcdef"):
        raise ValueError(f"the digest {text!r}")
    return text


DECISIONS: Final = Kind(name="decision", folder="decisions", parse=_parsed)
