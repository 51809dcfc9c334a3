"""One command for a pipeline: compare the runs of an experiment, print the best one, or promote a model."""

import argparse
import shlex
from collections.abc import Sequence
from typing import Final

from aegis import evidence
from contracts import Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.commands import Command
from workloads.registry import options
from workloads.registry.best import BEST
from workloads.registry.compare import COMPARE
from workloads.registry.decisions import arguments, moves
from workloads.registry.decisions.automatic import auto_promote
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.moves import Promotion
from workloads.registry.decisions.outcome import PolicyRefusedError
from workloads.registry.decisions.state import STAGES
from workloads.registry.row import Order
from workloads.registry.selection import select_best_run
from workloads.registry.versions import versions_of_run

_PROMOTIONS: Final = ("promote", "auto-promote")
_EPILOG: Final = f"""\
The actions are commands of `python -m workloads.registry`, which have more options.
  compare       compare the runs of the experiment
  best          print the ID of its best run by --metric
  promote       make the signed version of its best run the champion
  auto-promote  make the candidate the champion; if nothing moves, this is no failure

Without --policy, a promotion only needs a valid signature. Both are signed decisions, and need what these need.

exit codes: {int(Exit.NO_RUN)} no such run or version, {int(Exit.NOT_VERIFIED)} not signed or not verified, \
{int(Exit.VAULT)} Vault, {int(Exit.MLFLOW)} MLflow, {int(Exit.OBJECT_STORE)} object store,
{int(Exit.CONFLICT)} another decision was first, {int(Exit.REFUSED)} refused by the policy
{arguments.ENVIRONMENT}

examples:
  python -m workloads.registry.compare_and_promote_models --experiment-name digits --action compare
  python -m workloads.registry.compare_and_promote_models --experiment-name digits --action best --metric val/accuracy
  python -m workloads.registry.compare_and_promote_models --experiment-name digits --action promote \\
    --model-name digits --stage Staging
  python -m workloads.registry.compare_and_promote_models --action auto-promote --model-name digits --policy policy.yaml
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the action."""
    parser = cli.parser(
        "workloads.registry.compare_and_promote_models",
        "Compare the runs of an experiment, print the best one, or promote a model.",
        _EPILOG,
    )
    parser.add_argument("--action", choices=("compare", "best", *_PROMOTIONS), required=True, help="what to do")
    parser.add_argument(
        "--experiment-name",
        metavar="NAME",
        type=options.experiment,
        help="experiment of the runs; all actions but auto-promote need it",
    )
    parser.add_argument("--metric", metavar="METRIC", type=options.metric, help="metric that decides")
    options.add_direction(parser, "of --metric")
    parser.add_argument("--model-name", metavar="NAME", type=options.model, help="registered model to promote")
    parser.add_argument("--stage", choices=STAGES, help="move the promoted version to this stage too")
    parser.add_argument(
        "--policy",
        metavar="FILE",
        type=cli.file_path,
        help="policy that must accept the version (default: only the signature is required)",
    )
    args = parser.parse_args(argv)
    _check(args)
    if args.action in _PROMOTIONS:
        return _promote(args)
    if args.action == "compare":
        return _run(COMPARE, args, "--sort")
    return _run(BEST, args, "--metric")


def _check(args: argparse.Namespace) -> None:
    if args.maximize is not None and not args.metric:
        raise WorkloadError("--maximize and --minimize need --metric.", Exit.USAGE)
    if args.action != "auto-promote" and not args.experiment_name:
        raise WorkloadError(f"--action {args.action} needs --experiment-name.", Exit.USAGE)
    if args.action in _PROMOTIONS and not args.model_name:
        raise WorkloadError(f"--action {args.action} needs --model-name.", Exit.USAGE)


def _run(command: Command, args: argparse.Namespace, metric_option: str) -> int:
    """Run a command of `workloads.registry` with the given experiment, metric and direction."""
    argv = [f"--experiment-name={args.experiment_name}"]
    if args.metric:
        argv.append(f"{metric_option}={args.metric}")
        argv += {None: [], True: ["--maximize"], False: ["--minimize"]}[args.maximize]
    parser = cli.parser("workloads.registry.compare_and_promote_models", command.summary)
    command.add_arguments(parser)
    return command.run(parser.parse_args(argv))


def _promote(args: argparse.Namespace) -> int:
    ledger = arguments.ledger(args.model_name)
    judge = arguments.judge(args.policy, ledger) if args.policy else None
    if args.action == "auto-promote":
        return arguments.show(auto_promote(ledger, judge, stage=args.stage))
    order = Promotion(version=_version_of_best_run(args, ledger), stage=args.stage)
    try:
        return arguments.show(moves.promote(ledger, order, judge))
    except PolicyRefusedError as refusal:
        arguments.show(refusal.outcome)
        raise


def _version_of_best_run(args: argparse.Namespace, ledger: Ledger) -> str:
    """Return the number of the signed version of the experiment's best run.

    Raises:
        WorkloadError: No run qualifies, or it has no version (`Exit.NO_RUN`), or none that is signed
            (`Exit.NOT_VERIFIED`).
    """
    metric = args.metric or options.DEFAULT_METRIC
    maximize = Order(sort=metric, maximize=args.maximize).highest_first
    best = select_best_run(ledger.tracking, args.experiment_name, metric, maximize=maximize)
    versions = versions_of_run(ledger.tracking, ledger.model, best.run_id)
    signed = [version for version in versions if evidence.is_signed(version.tags)]
    if signed:
        return str(signed[0].version)
    release = [f"--experiment-name={args.experiment_name}", f"--metric={metric}"]
    release += ["--maximize" if maximize else "--minimize", f"--model-name={ledger.model}"]
    lacking = f"its version {versions[0].version} is not signed" if versions else "it has no version"
    raise WorkloadError(
        f"the best run of the experiment {args.experiment_name!r} is {best.run_id}, and in {ledger.model} {lacking}: "
        f"sign and register it with `python -m workloads.release.run {shlex.join(release)}`.",
        Exit.NOT_VERIFIED if versions else Exit.NO_RUN,
    )


if __name__ == "__main__":
    cli.run(main)
