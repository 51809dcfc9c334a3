"""The verified history of a model's decisions: who made which version the champion, when and why."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Final

from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from workloads.mlflow_client import Tracking
from workloads.registry.decisions import contents
from workloads.registry.decisions import ledger as ledgers
from workloads.registry.decisions.chain import HEAD_TAG, Chain, follows, parse_mark
from workloads.registry.decisions.record import DECISIONS, Record
from workloads.registry.decisions.state import CANDIDATE, CHAMPION, EXCLUSIVE_STAGES, PREVIOUS, State
from workloads.release.store import ReleaseStore

# A decision that is being made is not a problem: MLflow follows within moments.
_LOOKS: Final = 3
_SECONDS: Final = 1.0
# Characters of a tag that a message shows: any client can write a long one.
_SHOWN: Final = 80
# The aliases that only decisions move, in any case.
_OWN: Final = {CANDIDATE, CHAMPION, PREVIOUS, "production"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reign:
    """The time for which a version was the champion; `until` is None for the present one."""

    version: str
    since: str
    until: str | None
    record: int
    by: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """The records that verify, in order, and all that is wrong; `unapplied` is one that MLflow doesn't follow."""

    model: str
    records: Sequence[Record]
    problems: Sequence[str]
    unapplied: int | None = None

    @property
    def verified(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def reigns(self) -> list[Reign]:
        """Return the champions, the first one first; one that MLflow refused never was."""
        refused = {found.decision.previous for found in self.records if found.decision.action == "correct"}
        found: list[Reign] = []
        for record in self.records:
            decision = record.decision
            if (
                decision.alias != CHAMPION
                or decision.action in ("correct", "accept")
                or record.sha256 in refused
                or not decision.to_version
            ):
                continue
            if found and found[-1].version == decision.to_version:
                continue
            if found:
                found[-1] = replace(found[-1], until=decision.time)
            reign = Reign(
                version=decision.to_version,
                since=decision.time,
                until=None,
                record=decision.number,
                by=decision.by,
                reason=decision.reason,
            )
            found.append(reign)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the history as a JSON object."""
        return {
            "model": self.model,
            "verified": self.verified,
            "problems": list(self.problems),
            "unapplied": self.unapplied,
            "champions": [asdict(reign) for reign in self.reigns()],
            "records": [
                asdict(found.decision)
                | {
                    "sha256": found.sha256,
                    "key": found.key.name if found.key else None,
                    "signed_by": asdict(found.signed_by),
                    "vouched_for_by": self.vouchers().get(found.number),
                }
                for found in self.records
            ],
        }

    def vouchers(self) -> dict[int, int]:
        """Return by the number of each record with a retired key that of the record that vouches for it."""
        vouchers: dict[int, int] = {}
        voucher = 0
        for found in reversed(self.records):
            if found.key:
                voucher = found.number
            else:
                vouchers[found.number] = voucher
        return vouchers


def history(tracking: Tracking, store: ReleaseStore, model: str, trusted: Sequence[PublicKey]) -> History:
    """Read and verify every record of `model`, and compare MLflow's aliases, stages and tags with the last one.

    Raises:
        WorkloadError: MLflow or the object store is dead.
    """
    chain = Chain(kind=DECISIONS, store=store, model=model, trusted=trusted)
    found = _compared(tracking, chain)
    for _ in range(_LOOKS - 1):
        if found.verified:
            break
        time.sleep(_SECONDS)
        found = _compared(tracking, chain)
    return found


def _compared(tracking: Tracking, chain: Chain) -> History:
    # MLflow is read before the chain: a record is written before the aliases and tags that follow it.
    registered = tracking.ask(lambda: tracking.client.get_registered_model(chain.model))
    versions = tracking.ask(lambda: list(tracking.client.search_model_versions(f"name = '{chain.model}'")))
    numbers, problems = _listed(chain)
    records: dict[int, Record] = {}
    for number, found in zip(numbers, chain.all(numbers), strict=True):
        if isinstance(found, NotVerifiedError):
            problems.append(str(found))
        else:
            problems += _misfits(found, records)
            records[number] = found
    last = max(numbers, default=0)
    problems += _witnessed(registered, versions, records, last)
    mark = parse_mark((registered.tags or {}).get(HEAD_TAG))
    unapplied = last if last and (mark is None or mark.number < last) else None
    if unapplied:
        problems.append(f"record {last} is not applied: the next decision completes it, or `history --repair`")
    elif last in records or not last:
        state = records[last].decision.state if last else State()
        problems += _moved(state, last, registered, versions)
        problems += _replaced(state, records, versions, chain.trusted)
    return History(model=chain.model, records=list(records.values()), problems=problems, unapplied=unapplied)


def _listed(chain: Chain) -> tuple[list[int], list[str]]:
    """Return the numbers of the stored records, and what is wrong with them."""
    numbers, problems = [], []
    for name in chain.store.names(chain.folder):
        number = chain.number(name)
        if number is None:
            problems.append(f"{chain.store.uri(chain.folder, name)} is not a record")
        else:
            numbers.append(number)
    for before, after in pairwise([0, *numbers]):
        if after > before + 1:
            problems.append(_missing(before + 1, after - 1))
    return numbers, problems


def _missing(first: int, last: int) -> str:
    return f"record {first} is missing" if first == last else f"records {first} to {last} are missing"


def _misfits(found: Record, records: Mapping[int, Record]) -> Iterator[str]:
    """Yield what is wrong with a record that follows `records`."""
    decision = found.decision
    before = records.get(decision.number - 1)
    if before is None and decision.number > 1:
        # What it should follow is missing or doesn't verify, which was said of that one.
        return
    if problem := follows(found, before):
        yield problem
        return
    state = before.decision.state if before else State()
    current = state.aliases.get(decision.alias)
    fits = current in (None, decision.from_version, decision.to_version)
    if decision.action == "correct":
        earlier = records.get(decision.number - 2)
        expected = earlier.decision.state if earlier else State()
    elif decision.action == "accept":
        expected = state
    else:
        left = None if decision.action == "nominate" else decision.from_version
        expected = state.moved(decision.alias, left, str(decision.to_version), decision.stage)
    if decision.state != expected or not fits:
        yield f"the aliases of record {decision.number} don't follow from those of the record before it"


def _witnessed(
    registered: RegisteredModel, versions: Sequence[ModelVersion], records: Mapping[int, Record], last: int
) -> Iterator[str]:
    """Yield what the tags of the model and of its versions know of the chain and what isn't so."""
    marks = [("the model's tag", (registered.tags or {}).get(HEAD_TAG))]
    marks += [(f"the tag of version {version.version}", version.tags.get(ledgers.VERSION_TAG)) for version in versions]
    newest = 0
    for name, text in marks:
        mark = parse_mark(text)
        if mark is None:
            if text is not None:
                yield f"{name} was changed: {text[:_SHOWN]!r} names no record"
            continue
        newest = max(newest, mark.number)
        found = records.get(mark.number)
        if found is not None and found.sha256 != mark.sha256:
            yield f"{name} names another record {mark.number} than the stored one: one of them was replaced"
    if newest > last:
        yield f"{_missing(last + 1, newest)} at the end: tags in MLflow name record {newest}"


def _moved(state: State, last: int, registered: RegisteredModel, versions: Sequence[ModelVersion]) -> Iterator[str]:
    """Yield the aliases and stages that aren't at the version of the last record."""
    decided = f"record {last} says" if last else "no decision says so:"
    aliases = {alias: str(version) for alias, version in (registered.aliases or {}).items()}
    guarded = _OWN | {alias.casefold() for alias in state.aliases}
    for alias in sorted(state.aliases.keys() | {alias for alias in aliases if alias.casefold() in guarded}):
        found, expected = aliases.get(alias), state.aliases.get(alias)
        if found != expected:
            yield (
                f"the alias {alias} was moved outside of the decisions: it is at {_version(found)}, "
                f"{decided} {_version(expected)}"
            )
    stages = {str(version.version): version.current_stage for version in versions}
    expected_stages = {version: stage for stage, version in state.stages.items()}
    for version in sorted(stages.keys() | expected_stages.keys(), key=int):
        stage, expected = stages.get(version, "unknown"), expected_stages.get(version)
        if stage != expected and (expected or stage in EXCLUSIVE_STAGES):
            yield (
                f"version {version} was moved outside of the decisions: its stage is {stage}, "
                f"{decided} {expected or 'no stage'}"
            )


def _replaced(
    state: State, records: Mapping[int, Record], versions: Sequence[ModelVersion], trusted: Sequence[PublicKey]
) -> Iterator[str]:
    """Yield the versions of the last record whose content isn't the one that was decided about."""
    newest_first = [records[number] for number in sorted(records, reverse=True)]
    decided = contents.decided(newest_first, {*state.aliases.values(), *state.stages.values()})
    for version in versions:
        record = decided.get(str(version.version))
        if record and (problem := contents.difference(version, record, trusted)):
            yield problem


def _version(number: str | None) -> str:
    return f"version {number}" if number else "no version"
