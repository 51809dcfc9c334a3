"""The command that prints the best run of an experiment, or the best version of a model."""

import argparse
import dataclasses
import json
from typing import Final

from contracts import Exit
from workloads.commands import Command
from workloads.registry import options
from workloads.registry.command import TRACKING_ENVIRONMENT, tracking
from workloads.registry.row import Order
from workloads.registry.selection import select_best_run
from workloads.registry.versions import select_best_version

_EPILOG: Final = f"""\
Only finished runs count, and only versions that are ready. A metric that is NaN or infinite never wins. Of equal ones,
the newest is chosen. Without --maximize and --minimize, the lowest value wins if the metric's name says so (such as
loss, error or latency), else the highest. Without --json, only the run's ID or the version's number is printed. Exits
with {int(Exit.NO_RUN)} and the reason if nothing qualifies, and with {int(Exit.MLFLOW)} if MLflow doesn't answer.

{TRACKING_ENVIRONMENT}

examples:
  python -m workloads.registry best --experiment-name digits --metric val/accuracy
  python -m workloads.registry best --model-name digits --metric val/loss --minimize --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `best`."""
    options.add_subject(parser)
    parser.add_argument(
        "--metric", metavar="METRIC", type=options.metric, default=options.DEFAULT_METRIC, help="metric that decides"
    )
    options.add_direction(parser, "of --metric")
    parser.add_argument("--json", action="store_true", help="print the run or version and its metrics as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the best run or version."""
    client, maximize = tracking(), Order(sort=args.metric, maximize=args.maximize).highest_first
    if args.model_name:
        best = select_best_version(client, args.model_name, args.metric, maximize=maximize)
        brief = best.version
    else:
        best = select_best_run(client, args.experiment_name, args.metric, maximize=maximize)
        brief = best.run_id
    print(json.dumps(dataclasses.asdict(best)) if args.json else brief)
    return Exit.OK


BEST: Final = Command(
    name="best",
    summary="Print the best run of an experiment, or the best version of a registered model.",
    epilog=_EPILOG,
    add_arguments=add_arguments,
    run=run,
)
