"""The commands that decide which version of a model is used: nominate, promote, auto-promote, rollback, history."""

import argparse
import json
from typing import Final

from aegis.errors import NotVerifiedError
from aegis.strict import to_json
from contracts import Env, Exit
from workloads import cli
from workloads.commands import Command
from workloads.registry import command, options, policy
from workloads.registry.decisions import arguments, moves
from workloads.registry.decisions.automatic import auto_promote, judge_candidate
from workloads.registry.decisions.display import history_text
from workloads.registry.decisions.history import history
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.moves import Promotion
from workloads.registry.decisions.outcome import Outcome, PolicyRefusedError
from workloads.registry.replacing import replace
from workloads.release import store
from workloads.signing.staging import written

_FAILURES: Final = f"""\
exit codes: {int(Exit.NOT_VERIFIED)} not verified, {int(Exit.VAULT)} Vault, {int(Exit.MLFLOW)} MLflow, \
{int(Exit.OBJECT_STORE)} object store"""
_CODES: Final = f"""\
{_FAILURES}, {int(Exit.NO_RUN)} no such version, {int(Exit.CONFLICT)} another decision was first,
{int(Exit.REFUSED)} refused by the policy"""


def _add_promote_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_model(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", metavar="N", type=options.version, help="version to promote")
    which.add_argument("--candidate", action="store_true", help="promote the candidate (the default)")
    arguments.add_policy(parser)
    arguments.add_alias(parser)
    parser.add_argument(
        "--approve-by",
        metavar="NAME",
        type=options.person,
        action="append",
        default=[],
        help="a person who approves, for the policy and the record; may be repeated",
    )
    arguments.add_decision(parser)


def _promote(args: argparse.Namespace) -> int:
    ledger = _ledger(args)
    judge = arguments.judge(args.policy, ledger)
    order = Promotion(
        version=args.version, alias=args.alias, stage=args.stage, reason=args.reason, approvals=tuple(args.approve_by)
    )
    try:
        outcome = moves.promote(ledger, order, judge, dry_run=args.dry_run)
    except PolicyRefusedError as refusal:
        _show(args, refusal.outcome)
        raise
    return _show(args, outcome)


PROMOTE: Final = Command(
    name="promote",
    summary="Make a version the champion if it verifies and a policy accepts it.",
    epilog=f"""\
Writes a signed record of the decision, then moves the alias; the old champion becomes `previous`. If the version has
the alias already, nothing is written. If several promote at once, one wins and the others exit with
{int(Exit.CONFLICT)}.

{_CODES}
{arguments.ENVIRONMENT}

examples:
  python -m workloads.registry promote digits --policy policy.yaml
  python -m workloads.registry promote digits --version 3 --policy policy.yaml --stage Production --reason "new data"
  python -m workloads.registry promote digits --policy policy.yaml --dry-run --report report.json
""",
    add_arguments=_add_promote_arguments,
    run=_promote,
)


def _add_auto_promote_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_model(parser)
    arguments.add_policy(parser)
    step = parser.add_mutually_exclusive_group()
    step.add_argument(
        "--judge", metavar="FILE", type=cli.file_path, help="only judge the candidate, and write the policy's report"
    )
    step.add_argument(
        "--verdict", metavar="FILE", type=cli.file_path, help="decide by the report of --judge, and run no model"
    )
    arguments.add_decision(parser)


def _auto_promote(args: argparse.Namespace) -> int:
    if args.judge:
        return _judge(args)
    ledger = _ledger(args)
    judge = arguments.judge(args.policy, ledger, args.verdict)
    outcome = auto_promote(ledger, judge, stage=args.stage, reason=args.reason, dry_run=args.dry_run)
    return _show(args, outcome)


def _judge(args: argparse.Namespace) -> int:
    """Write the policy's report; remove an older one if there is nothing to judge."""
    tracking = command.tracking()
    judge = policy.Judge(
        policy=policy.load(args.policy), tracking=tracking, keys=arguments.trusted(args.key, signer=None)
    )
    with written(args.judge):
        args.judge.unlink(missing_ok=True)
    report = judge_candidate(tracking, args.model, judge)
    if report is None:
        reason = f"{args.model} has no candidate besides its champion: nothing to judge"
        print(json.dumps({"model": args.model, "reason": reason}) if args.json else reason)
        return Exit.OK
    content = to_json(report.to_json())
    with written(args.judge):
        replace(args.judge, content)
    print(json.dumps(report.to_json()) if args.json else report.to_text())
    return Exit.OK


AUTO_PROMOTE: Final = Command(
    name="auto-promote",
    summary="Make the candidate the champion if it verifies and a policy accepts it; for schedules.",
    epilog=f"""\
Works as `promote`, but it is no failure if nothing moves: if there is no candidate, if the candidate is the champion
already, if the policy refuses it, or if another decision won. The output says why; in the JSON, `moved` is false and
`reason` says it. A candidate that was the champion since its nomination, and was rolled back or replaced, is never
promoted again automatically: use `promote --version`.

A policy runs the models' own code. Two steps keep that code away from the signer: `--judge FILE` needs only
{Env.TRACKING_URI} and {Env.TRUSTED_KEYS}, evaluates the policy and writes its report. `--verdict FILE` runs no model:
it takes the rules comparison, slices and latency from the report, which must be about the present candidate, champion
and policy, checks the other rules itself, and decides. The options of the decision belong to `--verdict`.

{_FAILURES}
{arguments.ENVIRONMENT}

examples:
  python -m workloads.registry auto-promote digits --policy policy.yaml
  python -m workloads.registry auto-promote digits --policy policy.yaml --stage Staging --json
  python -m workloads.registry auto-promote digits --policy policy.yaml --judge report.json
  python -m workloads.registry auto-promote digits --policy policy.yaml --verdict report.json
""",
    add_arguments=_add_auto_promote_arguments,
    run=_auto_promote,
)


def _add_nominate_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_model(parser)
    parser.add_argument("version", metavar="VERSION", type=options.version, help="number of the version")
    arguments.add_decision(parser)


def _nominate(args: argparse.Namespace) -> int:
    outcome = moves.nominate(_ledger(args), args.version, reason=args.reason, dry_run=args.dry_run)
    return _show(args, outcome)


NOMINATE: Final = Command(
    name="nominate",
    summary="Make a version that verifies the candidate.",
    epilog=f"""\
A release nominates what it releases.

{_CODES}
{arguments.ENVIRONMENT}

example:
  python -m workloads.registry nominate digits 3 --reason "trained on the new data"
""",
    add_arguments=_add_nominate_arguments,
    run=_nominate,
)


def _add_rollback_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_model(parser)
    parser.add_argument(
        "--to", metavar="VERSION", type=options.version, help="version (default: the previous champion)"
    )
    arguments.add_alias(parser)
    arguments.add_decision(parser)


def _rollback(args: argparse.Namespace) -> int:
    outcome = moves.rollback(
        _ledger(args), to_version=args.to, alias=args.alias, reason=args.reason, dry_run=args.dry_run
    )
    return _show(args, outcome)


ROLLBACK: Final = Command(
    name="rollback",
    summary="Make the previous champion the champion again.",
    epilog=f"""\
All bytes of the version must still verify. No policy is asked. The version that was the champion becomes `previous`,
so a second rollback undoes the first. Another alias than champion needs --to.

{_CODES}
{arguments.ENVIRONMENT}

examples:
  python -m workloads.registry rollback digits --reason "slow on long inputs"
  python -m workloads.registry rollback digits --to 3
""",
    add_arguments=_add_rollback_arguments,
    run=_rollback,
)


def _add_history_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_model(parser)
    arguments.add_keys(parser)
    parser.add_argument("--repair", action="store_true", help="first make MLflow follow the last record; needs Vault")
    parser.add_argument(
        "--accept-head",
        metavar="SHA256",
        type=options.sha256,
        help="first vouch for the last record, which has this digest and a revoked key; needs Vault",
    )
    parser.add_argument("--json", action="store_true", help="print the records, even if they are not verified, as JSON")
    parser.set_defaults(by=None)


def _history(args: argparse.Namespace) -> int:
    trusted = arguments.trusted(args.key, None)
    if args.accept_head:
        moves.accept(_ledger(args), args.accept_head)
    if args.repair:
        moves.repair(_ledger(args))
    found = history(command.tracking(), store.from_environment(), args.model, trusted)
    print(json.dumps(found.to_json()) if args.json else history_text(found))
    if not found.verified:
        raise NotVerifiedError(f"the decisions about {args.model} are NOT verified: {'; '.join(found.problems)}")
    return Exit.OK


HISTORY: Final = Command(
    name="history",
    summary="Show which version was the champion, when and why, and verify every record.",
    epilog=f"""\
Exits with {int(Exit.NOT_VERIFIED)} and the reasons if a record is missing, forged, changed, moved or of another model,
if records were removed at the end, if an alias or a stage was moved without a decision, if a version was replaced
since a decision chose it, or if MLflow doesn't follow the last record. A record of a revoked key is good if a good
record follows it. If it is the last one, look at it and accept it.

{arguments.READING_ENVIRONMENT}
--repair and --accept-head also need {Env.VAULT_ADDR}, and {Env.VAULT_TOKEN} or {Env.VAULT_ROLE}

examples:
  python -m workloads.registry history digits --key cosign-v1.pub
  python -m workloads.registry history digits --key cosign-v1.pub --key cosign-v2.pub --json
""",
    add_arguments=_add_history_arguments,
    run=_history,
)


def _ledger(args: argparse.Namespace) -> Ledger:
    return arguments.ledger(args.model, args.key, args.by)


def _show(args: argparse.Namespace, outcome: Outcome) -> int:
    return arguments.show(outcome, as_json=args.json, dry_run=args.dry_run, report=getattr(args, "report", None))
