"""Promote the candidate automatically, as often as a schedule or a pipeline asks for it.

A schedule runs two processes: one that runs the models' code and has no credentials, and one that signs the decision
and runs none of that code. They share the policy's report.
"""

from dataclasses import replace

from mlflow.entities.model_registry import ModelVersion

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry.decisions import deciding
from workloads.registry.decisions.judgement import Judge
from workloads.registry.decisions.ledger import Ledger, Situation
from workloads.registry.decisions.moves import Promotion, promote_version
from workloads.registry.decisions.outcome import Outcome, PolicyRefusedError
from workloads.registry.decisions.record import Record
from workloads.registry.decisions.state import CANDIDATE, CHAMPION
from workloads.registry.policy import Report


def auto_promote(
    ledger: Ledger, judge: Judge | None, *, stage: str | None = None, reason: str | None = None, dry_run: bool = False
) -> Outcome:
    """Make the candidate the champion if it verifies and the policy accepts it, else return why nothing moved.

    A candidate that was the champion since it was nominated, and was replaced, stays replaced: otherwise the next
    run would undo each rollback. Without a `judge`, the candidate only has to verify.

    Raises:
        NotVerifiedError: As for `moves.promote`.
        WorkloadError: A service is dead, or the policy can't be applied.
    """
    seal = deciding.seal_of(ledger, dry_run=dry_run)
    situation = deciding.situation(ledger, seal, dry_run=dry_run)
    candidate = situation.version_of(CANDIDATE)
    current = situation.version_of(CHAMPION)

    def unmoved(why: str) -> Outcome:
        return deciding.outcome(ledger, "promote", CHAMPION, current, candidate, reason=why)

    if candidate is None:
        return unmoved(f"{ledger.model} has no version with the alias {CANDIDATE}")
    if current != candidate and (replacement := _replacement(ledger, situation, candidate)):
        return unmoved(_explained(replacement, candidate))
    order = Promotion(version=candidate, stage=stage, reason=reason)
    try:
        outcome = promote_version(ledger, seal, situation, candidate, order, judge, dry_run=dry_run)
    except PolicyRefusedError as refusal:
        return replace(refusal.outcome, reason=str(refusal))
    except WorkloadError as error:
        if error.code != Exit.CONFLICT:
            raise
        return unmoved(f"another decision won: {error}")
    if deciding.is_so(situation, CHAMPION, candidate, stage):
        return replace(outcome, reason=f"version {candidate} of {ledger.model} is the {CHAMPION} already")
    return outcome


def judge_candidate(tracking: Tracking, model: str, judge: Judge) -> Report | None:
    """Judge the candidate against the champion, both by MLflow's aliases; None if there is nothing to judge.

    Raises:
        WorkloadError: MLflow or its artifact store is dead, or the policy can't be applied.
    """
    aliases = tracking.ask(lambda: tracking.client.get_registered_model(model)).aliases or {}
    candidate, champion = aliases.get(CANDIDATE), aliases.get(CHAMPION)
    if candidate is None or candidate == champion:
        return None

    def version(number: str) -> ModelVersion:
        return tracking.ask(lambda: tracking.client.get_model_version(model, number))

    return judge.judge(version(candidate), version(champion) if champion else None, ())


def _replacement(ledger: Ledger, situation: Situation, candidate: str) -> Record | None:
    """Return the decision that replaced `candidate` as the champion since it was nominated last, or None."""
    replacement: Record | None = None
    record = situation.head
    while record is not None:
        decision = record.decision
        if decision.to_version == candidate and decision.action == "nominate":
            return None
        if decision.alias == CHAMPION and decision.action not in ("correct", "accept"):
            if decision.to_version == candidate:
                return replacement
            replacement = record
        # A correction takes back the record before it.
        earlier = ledger.chain.before(record)
        record = ledger.chain.before(earlier) if earlier and decision.action == "correct" else earlier
    return None


def _explained(replacement: Record, candidate: str) -> str:
    decision = replacement.decision
    return (
        f"version {candidate} of {decision.model} was the {CHAMPION} since its nomination, and was replaced by record "
        f"{replacement.number}, {decision.action} of version {decision.to_version} by {decision.by or 'unknown'}: only "
        f"`promote --version {candidate}` makes it the {CHAMPION} again"
    )
