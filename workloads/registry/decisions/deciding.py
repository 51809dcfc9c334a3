"""The steps that nominations, promotions and rollbacks share."""

import logging
import shlex
from collections.abc import Callable
from functools import cache

from mlflow.entities.model_registry import ModelVersion

from aegis.errors import NotVerifiedError
from aegis.manifest import Manifest
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.registry.decisions import contents
from workloads.registry.decisions import ledger as ledgers
from workloads.registry.decisions.chain import mark_of
from workloads.registry.decisions.ledger import Draft, Ledger, Seal, Situation
from workloads.registry.decisions.outcome import Outcome
from workloads.registry.decisions.record import Action, Record, Subject
from workloads.registry.decisions.settlement import settle
from workloads.registry.policy import Report

# Attempts to write a record while others write theirs, which don't contradict it.
ATTEMPTS = 50

_log = logging.getLogger(__name__)


def seal_of(ledger: Ledger, *, dry_run: bool) -> Callable[[], Seal]:
    """Return what signs; ask it now, so that a dead Vault is found before anything moves, unless it is a dry run."""
    seal = cache(ledger.seal)
    if not dry_run:
        seal()
    return seal


def situation(ledger: Ledger, seal: Callable[[], Seal], *, dry_run: bool) -> Situation:
    """Read the situation, after completing the last decision if its process was killed before MLflow followed."""
    situation = ledgers.look(ledger)
    if situation.head is None or dry_run:
        return situation
    if situation.mark == mark_of(situation.head):
        _warn_of_moved(ledger, situation)
        return situation
    settle(ledger, situation.head, seal)
    return ledgers.look(ledger)


def _warn_of_moved(ledger: Ledger, situation: Situation) -> None:
    for alias, version in situation.state.aliases.items():
        if (found := situation.aliases.get(alias)) != version:
            _log.warning(
                "the alias %s of %s is at version %s, and the last decision says %s: it was moved outside of the "
                "decisions, or another decision is under way",
                alias,
                ledger.model,
                found,
                version,
            )


def is_so(situation: Situation, alias: str, number: str, stage: str | None = None) -> bool:
    """Return whether the chain has the alias, and the stage, at the version already."""
    state = situation.state
    return state.aliases.get(alias) == number and (stage is None or state.stages.get(stage) == number)


def require_decided_content(ledger: Ledger, situation: Situation, version: ModelVersion) -> None:
    """Require that a version has the content that the last decision about it chose, if there is one.

    Raises:
        NotVerifiedError: The version was replaced under its number, or a record is missing or was changed.
    """
    record = _last_choice(ledger, situation, str(version.version))
    if record and (problem := contents.difference(version, record, ledger.trusted)):
        raise NotVerifiedError(
            f"{ledger.model} {problem}. Put the version back; if its present content is right, nominate it with "
            f"`python -m workloads.registry nominate {shlex.quote(ledger.model)} {version.version}`, and decide again"
        )


def has_content(ledger: Ledger, situation: Situation, number: str, manifest: Manifest) -> bool:
    """Return whether the last decision about a version chose the content of `manifest`."""
    record = _last_choice(ledger, situation, number)
    return record is not None and record.decision.subject == subject(number, manifest)


def _last_choice(ledger: Ledger, situation: Situation, number: str) -> Record | None:
    return contents.decided(contents.backwards(ledger.chain, situation.head), {number}).get(number)


def unmoved(ledger: Ledger, seal: Callable[[], Seal], situation: Situation, outcome: Outcome, dry_run: bool) -> Outcome:
    """Return the outcome without a new record, after MLflow follows the chain again."""
    if situation.head is not None and not dry_run:
        settle(ledger, situation.head, seal)
    return outcome


def decided(
    ledger: Ledger, seal: Callable[[], Seal], situation: Situation, draft: Draft, report: Report | None = None
) -> Outcome:
    """Write the record; only nominations and acceptances may have been written since the situation was read.

    A promotion was judged against the champion of that time. If the champion moved, even there and back, the decision
    must be made again.
    """
    head = situation.head
    for _ in range(ATTEMPTS):
        if written := ledgers.write(ledger, seal(), draft, head):
            return settled(ledger, seal, written, report)
        for found in ledger.chain.since(head):
            if found.decision.action not in ("nominate", "accept"):
                raise _conflict(ledger, draft, found)
            head = found
    raise WorkloadError(f"others nominate versions of {ledger.model} all the time: try again.", Exit.CONFLICT)


def settled(ledger: Ledger, seal: Callable[[], Seal], written: Record, report: Report | None = None) -> Outcome:
    """Make MLflow follow a record that this process wrote, and return the outcome.

    Raises:
        NotVerifiedError: MLflow refuses the version.
    """
    decision = written.decision
    if reason := settle(ledger, written, seal).refused.get(written.number):
        raise NotVerifiedError(
            f"MLflow refuses {ledger.model} version {decision.to_version}, and nothing moved: {reason}"
        )
    return outcome(
        ledger,
        decision.action,
        decision.alias,
        decision.from_version,
        str(decision.to_version),
        written=written,
        report=report,
    )


def _conflict(ledger: Ledger, draft: Draft, winner: Record) -> WorkloadError:
    won = winner.decision
    return WorkloadError(
        f"nothing moved: while {ledger.model} version {draft.to_version} was to become {draft.alias}, record "
        f"{won.number} was written, {won.action} of version {won.to_version} to {won.alias} by {won.by or 'unknown'} "
        f"at {won.time}. Look at it, and try again.",
        Exit.CONFLICT,
    )


def outcome(
    ledger: Ledger,
    action: Action,
    alias: str,
    from_version: str | None,
    to_version: str | None,
    *,
    written: Record | None = None,
    report: Report | None = None,
    reason: str | None = None,
) -> Outcome:
    """Return the outcome of a decision; without a `written` record, nothing moved."""
    return Outcome(
        model=ledger.model,
        action=action,
        alias=alias,
        from_version=from_version,
        to_version=to_version,
        moved=written is not None,
        record=written.number if written else None,
        record_uri=ledger.chain.uri(written.number) if written else None,
        report=report,
        reason=reason,
    )


def subject(number: str, manifest: Manifest) -> Subject:
    """Return the subject of a record about a version with that signed manifest."""
    return Subject(version=number, content_sha256=manifest.content_sha256)
