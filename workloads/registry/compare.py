"""The command that compares runs or model versions."""

import argparse
import sys
from datetime import UTC, datetime
from typing import Final

from contracts import Exit
from workloads import cli
from workloads.commands import Command
from workloads.mlflow_client import Tracking
from workloads.registry import options, output
from workloads.registry.command import TRACKING_ENVIRONMENT, tracking
from workloads.registry.comparison import Comparison, read_runs, read_versions
from workloads.registry.row import MOST, Order
from workloads.registry.runs import Chosen

_EPILOG: Final = f"""\
Without --metric, the metrics that all rows have are compared, except for MLflow's system metrics. A star marks the
best value of a metric. Whether the lowest or the highest is the best is known from its name, such as loss, error,
latency, accuracy or f1, or set by --maximize or --minimize for the metric of --sort, or without --sort for each
--metric. NaN and infinite values never rank first. Missing values are shown as a hyphen, in JSON as null, in CSV as
nothing.

Exits with {int(Exit.NO_RUN)} and the reason if there is nothing to compare, and with {int(Exit.MLFLOW)} if MLflow
doesn't answer.

{TRACKING_ENVIRONMENT}

examples:
  python -m workloads.registry compare --experiment-name digits
  python -m workloads.registry compare --experiment-name digits --metric val/accuracy --metric val/loss --sort val/loss
  python -m workloads.registry compare --experiment-name digits --filter "params.lr = '0.1'" --html report.html
  python -m workloads.registry compare --model-name digits --sort val/accuracy --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `compare`."""
    options.add_subject(parser)
    parser.add_argument(
        "--metric",
        metavar="METRIC",
        type=options.metric,
        action="append",
        dest="metrics",
        help="metric to compare; may be repeated (default: those that all have)",
    )
    parser.add_argument(
        "--sort", metavar="METRIC", type=options.metric, help="metric to sort by (default: the newest first)"
    )
    options.add_direction(parser, "of --sort, or without it of each --metric,")
    parser.add_argument("--max-runs", metavar="N", type=options.count, default=MOST, help="runs or versions to compare")
    parser.add_argument("--all", action="store_true", help="also compare runs that failed or are still running")
    parser.add_argument("--filter", metavar="EXPRESSION", help="only runs that match, as in MLflow's search_runs")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV")
    parser.add_argument(
        "--html", metavar="FILE", type=cli.file_path, help="also write a page with the table and the metrics' curves"
    )


def run(args: argparse.Namespace) -> int:
    """Print the comparison, and write its page."""
    if args.model_name and (args.filter or args.all):
        raise cli.WorkloadError("--filter and --all are for runs: not allowed with --model-name.", Exit.USAGE)
    if args.maximize is not None and not args.sort and not args.metrics:
        raise cli.WorkloadError("--maximize and --minimize need --sort or --metric.", Exit.USAGE)
    client = tracking()
    comparison = _compared(client, args)
    if args.html:
        _write_page(client, comparison, args)
    form = output.as_json if args.json else output.as_csv if args.csv else output.table
    print(form(comparison).removesuffix("\n"))
    if not comparison.complete:
        print(f"{comparison.summary} --max-runs sets the number.", file=sys.stderr)
    return Exit.OK


def _compared(client: Tracking, args: argparse.Namespace) -> Comparison:
    order = Order(sort=args.sort, maximize=args.maximize, most=args.max_runs)
    metrics = args.metrics or ()
    if args.model_name:
        return read_versions(client, args.model_name, metrics, order)
    chosen = Chosen(finished=not args.all, filter_string=args.filter or "")
    return read_runs(client, args.experiment_name, metrics, order, chosen)


def _write_page(client: Tracking, comparison: Comparison, args: argparse.Namespace) -> None:
    from workloads.registry import report  # noqa: PLC0415 - its plotting library is slow to import.

    most_plots = len(comparison.metrics) if args.metrics else report.PLOTS
    report.write(args.html, client, comparison, most_plots, datetime.now(UTC))
    print(f"wrote {args.html}", file=sys.stderr)


COMPARE: Final = Command(
    name="compare",
    summary="Compare the runs of an experiment, or the versions of a registered model.",
    epilog=_EPILOG,
    add_arguments=add_arguments,
    run=run,
)
