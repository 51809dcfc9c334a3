"""The command that reports on what served models see."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from contracts import Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.commands import Command
from workloads.serving.watching import output, sources
from workloads.serving.watching.drift import Limits
from workloads.serving.watching.summary import Summary, merged
from workloads.serving.watching.verdict import Allowed, Verdict

_DEFAULTS: Final = Limits()

_EPILOG: Final = f"""\
SOURCE is the address of a model server, or a file with its answer to {sources.WATCH_PATH}. The counts of several pods
are added up, so name each pod: a service answers for one pod at a time. With --baseline, SOURCE is a file of inputs:
CSV, or JSON as in the body of a prediction request.

A feature has drifted if its population stability index (PSI) against the training is at least --psi and its p-value,
corrected for the number of features, at most {_DEFAULTS.p}.

Exits with {int(Exit.DEGRADED)} if the model is degraded: a feature has drifted, more requests failed than
--max-error-rate allows, or 5 % took longer than --max-seconds. The reasons are on stderr.

examples:
  python -m workloads.serving.watching report http://127.0.0.1:8080
  python -m workloads.serving.watching report pod-1.json pod-2.json --html report.html
  python -m workloads.serving.watching report inputs.csv --baseline baseline.json --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `report`."""
    parser.add_argument("sources", metavar="SOURCE", nargs="+", help="model server, saved answer, or file of inputs")
    parser.add_argument(
        "--baseline", metavar="FILE", type=cli.file_path, help="baseline.json of a model: SOURCE is a file of inputs"
    )
    parser.add_argument("--psi", type=float, default=_DEFAULTS.psi, help="least PSI of a drift")
    parser.add_argument("--minimum", type=int, default=_DEFAULTS.samples, help="least samples to judge a feature")
    parser.add_argument(
        "--max-error-rate", metavar="SHARE", type=float, default=0.02, help="most requests that may fail"
    )
    parser.add_argument("--max-seconds", metavar="S", type=float, help="most seconds of 95 %% of the requests")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", metavar="FILE", type=cli.file_path, help="also write a page with plots")


def run(args: argparse.Namespace) -> int:
    """Print the report, and write its page."""
    verdict = Verdict(summary=_summary(args), allowed=_allowed(args))
    if args.html:
        from workloads.serving.watching import page  # noqa: PLC0415 - its plotting library is slow to import.

        page.write(args.html, verdict, datetime.now(UTC))
        print(f"wrote {args.html}", file=sys.stderr)
    if args.json:
        print(output.as_json(verdict))
    else:
        print("\n".join([*output.lines(verdict), output.table(verdict)]).strip())
    for reason in verdict.reasons:
        print(f"degraded: {reason}", file=sys.stderr)
    return Exit.DEGRADED if verdict.reasons else Exit.OK


def _summary(args: argparse.Namespace) -> Summary:
    if args.baseline:
        return sources.of_inputs([Path(source) for source in args.sources], args.baseline)
    try:
        return merged(sources.summaries(args.sources))
    except ValueError as error:
        raise WorkloadError(f"these sources can't be added up: {error}.", Exit.USAGE) from error


def _allowed(args: argparse.Namespace) -> Allowed:
    for option, value, least, most in (
        ("--psi", args.psi, 0, 10),
        ("--minimum", args.minimum, 20, 1_000_000),
        ("--max-error-rate", args.max_error_rate, 0, 1),
        ("--max-seconds", args.max_seconds or 0, 0, 86_400),
    ):
        if not least <= value <= most:
            raise WorkloadError(f"{option} must be from {least} to {most}, got {value}.", Exit.USAGE)
    return Allowed(
        drift=Limits(psi=args.psi, samples=args.minimum), error_rate=args.max_error_rate, seconds=args.max_seconds
    )


REPORT: Final = Command(
    name="report",
    summary="Compare what served models see with their training.",
    epilog=_EPILOG,
    add_arguments=add_arguments,
    run=run,
)
