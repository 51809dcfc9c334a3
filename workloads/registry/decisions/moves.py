"""Nominate, promote and roll back: verify, decide, write the record, and move the aliases."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from aegis.errors import NotVerifiedError
from aegis.manifest import Manifest
from aegis.strict import to_json
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.registry.decisions import deciding
from workloads.registry.decisions import ledger as ledgers
from workloads.registry.decisions.judgement import Judge
from workloads.registry.decisions.ledger import Draft, Ledger, Seal, Situation
from workloads.registry.decisions.outcome import Outcome, PolicyRefusedError
from workloads.registry.decisions.record import Record
from workloads.registry.decisions.settlement import settle
from workloads.registry.decisions.state import CANDIDATE, CHAMPION, PREVIOUS
from workloads.registry.policy import Report
from workloads.release import tags


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """The order to promote a version, by default the candidate.

    `approvals` are the names of those who approved; no one checks them but the policy.
    """

    version: str | None = None
    alias: str = CHAMPION
    stage: str | None = None
    reason: str | None = None
    approvals: Sequence[str] = ()


def promote(ledger: Ledger, order: Promotion, judge: Judge | None, *, dry_run: bool = False) -> Outcome:
    """Move an alias to a version that verifies and that the policy accepts; with `dry_run`, only say what would happen.

    Without a `judge`, it only has to verify.

    Raises:
        NotVerifiedError: The version or the chain doesn't verify, the version or the champion isn't the one that was
            decided about, or MLflow refuses the version.
        PolicyRefusedError: The policy refuses the version.
        WorkloadError: Another decision was written first (`Exit.CONFLICT`), or a service is dead. Only a service that
            dies after the record was written leaves it to be applied by the next decision.
    """
    seal = deciding.seal_of(ledger, dry_run=dry_run)
    situation = deciding.situation(ledger, seal, dry_run=dry_run)
    number = order.version or situation.version_of(CANDIDATE)
    if number is None:
        raise WorkloadError(
            f"{ledger.model} has no version with the alias {CANDIDATE}: nominate one, or give its number.", Exit.NO_RUN
        )
    return promote_version(ledger, seal, situation, number, order, judge, dry_run=dry_run)


def promote_version(
    ledger: Ledger,
    seal: Callable[[], Seal],
    situation: Situation,
    number: str,
    order: Promotion,
    judge: Judge | None,
    *,
    dry_run: bool,
) -> Outcome:
    """Promote the version `number`, unless another decision was written since the situation was read; see `promote`."""
    version = ledger.version(number)
    signed = ledger.verified(version)
    current = situation.version_of(order.alias)
    deciding.require_decided_content(ledger, situation, version)
    outcome = deciding.outcome(ledger, "promote", order.alias, current, number)
    if deciding.is_so(situation, order.alias, number, order.stage):
        return deciding.unmoved(ledger, seal, situation, outcome, dry_run)
    previous = current if current != number else None
    champion = ledger.version(previous) if previous else None
    if champion is not None:
        deciding.require_decided_content(ledger, situation, champion)
    if judge is not None:
        outcome = replace(outcome, report=judge.judge(version, champion, tuple(order.approvals)))
        _require_acceptance(judge, outcome)
    if dry_run:
        return outcome
    draft = Draft(
        action="promote",
        alias=order.alias,
        from_version=previous,
        to_version=number,
        subject=deciding.subject(number, signed.manifest),
        after=lambda state: state.moved(order.alias, previous, number, order.stage),
        reason=order.reason,
        stage=order.stage,
        policy=None if judge is None else {"name": judge.name, "digest": judge.digest},
        evidence=_evidence(outcome.report, version.tags),
        approvals=tuple(order.approvals),
    )
    return deciding.decided(ledger, seal, situation, draft, outcome.report)


def _require_acceptance(judge: Judge, outcome: Outcome) -> None:
    if outcome.report is not None and not outcome.report.passed:
        failed = ", ".join(rule.name for rule in outcome.report.rules if not rule.held)
        raise PolicyRefusedError(
            f"the policy {judge.name} refuses {outcome.model} version {outcome.to_version}: {failed}.", outcome
        )


def rollback(
    ledger: Ledger,
    *,
    to_version: str | None = None,
    alias: str = CHAMPION,
    reason: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Move an alias back to a version whose bytes all verify, by default the champion to `previous`.

    The version that it leaves becomes `previous`, so that a second rollback undoes the first.

    Raises:
        NotVerifiedError: As for `promote`.
        WorkloadError: There is no version to go back to (`Exit.NO_RUN`), or as for `promote`.
    """
    seal = deciding.seal_of(ledger, dry_run=dry_run)
    situation = deciding.situation(ledger, seal, dry_run=dry_run)
    # Any client can set MLflow's alias `previous`, so only the chain's counts.
    number = to_version or (situation.state.aliases.get(PREVIOUS) if alias == CHAMPION else None)
    if number is None:
        lacking = "no decision has replaced a champion" if alias == CHAMPION else f"the default is only for {CHAMPION}"
        raise WorkloadError(f"{ledger.model} has no version to go back to, as {lacking}: give its number.", Exit.NO_RUN)
    current = situation.version_of(alias)
    outcome = deciding.outcome(ledger, "rollback", alias, current, number)
    version = ledger.version(number)
    # No policy reads the files, and those of a version that has the alias already may have changed since.
    signed = ledger.verified(version, deep=True)
    deciding.require_decided_content(ledger, situation, version)
    if dry_run or deciding.is_so(situation, alias, number):
        return deciding.unmoved(ledger, seal, situation, outcome, dry_run)
    previous = current if current != number else None
    draft = Draft(
        action="rollback",
        alias=alias,
        from_version=previous,
        to_version=number,
        subject=deciding.subject(number, signed.manifest),
        after=lambda state: state.moved(alias, previous, number),
        reason=reason,
    )
    return deciding.decided(ledger, seal, situation, draft)


def nominate(
    ledger: Ledger,
    number: str,
    *,
    reason: str | None = None,
    dry_run: bool = False,
    manifest: Manifest | None = None,
) -> Outcome:
    """Make a version that verifies the candidate; `manifest` is its signed manifest if it was verified before.

    If it is the candidate already, with the same content, the newest key accepts the last record, so that older keys
    can be revoked. If its content is another one, the new record decides about that.

    Raises:
        NotVerifiedError: As for `promote`.
        WorkloadError: A service is dead.
    """
    seal = deciding.seal_of(ledger, dry_run=dry_run)
    manifest = manifest or ledger.verified(ledger.version(number)).manifest
    for _ in range(deciding.ATTEMPTS):
        situation = deciding.situation(ledger, seal, dry_run=dry_run)
        current = situation.version_of(CANDIDATE)
        decided = deciding.is_so(situation, CANDIDATE, number) and deciding.has_content(
            ledger, situation, number, manifest
        )
        if decided and situation.head and not dry_run and not _renewed(ledger, seal(), situation.head):
            continue
        if dry_run or decided:
            return deciding.unmoved(
                ledger, seal, situation, deciding.outcome(ledger, "nominate", CANDIDATE, current, number), dry_run
            )
        draft = Draft(
            action="nominate",
            alias=CANDIDATE,
            from_version=current,
            to_version=number,
            subject=deciding.subject(number, manifest),
            after=lambda state: state.moved(CANDIDATE, None, number),
            reason=reason,
        )
        # A decision that was written first changes nothing but the number of this one.
        if written := ledgers.write(ledger, seal(), draft, situation.head):
            return deciding.settled(ledger, seal, written)
    raise WorkloadError(f"others decide about {ledger.model} all the time: try again.", Exit.CONFLICT)


def accept(ledger: Ledger, sha256: str) -> Record:
    """Vouch for the last record, whose key was revoked; `sha256` is its digest, which a person has looked at.

    The newest key signs a record that changes nothing, and that names the digest. The key of the accepted record stays
    untrusted for everything else.

    Raises:
        NotVerifiedError: The chain doesn't verify apart from that key.
        WorkloadError: The last record has another digest (`Exit.USAGE`), another one was written first
            (`Exit.CONFLICT`), or a service is dead.
    """
    seal = ledger.seal()
    head = ledgers.look(ledger, accepted=sha256).head
    if head is None or head.sha256 != sha256:
        last = f"its last record is {head.number} with the SHA-256 {head.sha256}" if head else "it has none"
        raise WorkloadError(f"the last record of {ledger.model} is not {sha256}: {last}.", Exit.USAGE)
    renewed = _renewed(ledger, seal, head)
    if renewed is None:
        raise WorkloadError(f"another record of {ledger.model} was written first: look at it.", Exit.CONFLICT)
    return settle(ledger, renewed, lambda: seal).head


def _renewed(ledger: Ledger, seal: Seal, head: Record) -> Record | None:
    """Return the last record by the newest key: `head`, else a new one that accepts it.

    It returns None if another process wrote a record after `head`.
    """
    newest = seal.ring.versions[seal.ring.latest]
    if head.key is not None and head.key.fingerprint == newest.fingerprint:
        return head
    accepted = head.decision
    draft = Draft(
        action="accept",
        alias=accepted.alias,
        from_version=None,
        to_version=accepted.state.aliases.get(accepted.alias),
        subject=accepted.subject,
        after=lambda state: state,
        reason=f"vouches for record {head.number}, of the key {head.signed_by.name} version {head.signed_by.version}",
    )
    return ledgers.write(ledger, seal, draft, head)


def repair(ledger: Ledger) -> Record | None:
    """Make MLflow follow the chain; return its last record.

    Raises:
        NotVerifiedError: The chain doesn't verify, or MLflow refuses the version.
    """
    head = ledgers.look(ledger).head
    if head is None:
        return None
    settled = settle(ledger, head, ledger.seal)
    if reason := settled.refused.get(head.number):
        raise NotVerifiedError(f"MLflow refuses record {head.number} of {ledger.model}: {reason}")
    return settled.head


def _evidence(report: Report | None, version_tags: dict[str, str]) -> dict[str, object]:
    addresses = {name: version_tags[name] for name in (tags.ARCHIVE_URI, tags.MANIFEST_URI) if name in version_tags}
    if report is None:
        return {"addresses": addresses}
    fields = report.to_json()
    return {"report": fields, "report_sha256": hashlib.sha256(to_json(fields)).hexdigest(), "addresses": addresses}
