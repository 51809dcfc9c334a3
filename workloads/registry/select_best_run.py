"""The command that prints the best run of an experiment."""

import dataclasses
import json
from collections.abc import Sequence

from contracts import Env, Exit
from workloads import cli
from workloads.mlflow_client import Tracking
from workloads.registry import options
from workloads.registry.selection import select_best_run

_EPILOG = f"""\
Only finished runs count. A metric that is NaN or infinite never wins. Of equal runs, the one started last is chosen.
Without --json, only the run's ID is printed. Exits with {int(Exit.NO_RUN)} and the reason if no run qualifies, and with
{int(Exit.MLFLOW)} if MLflow doesn't answer. Environment: {Env.TRACKING_URI}.

examples:
  python -m workloads.registry.select_best_run --experiment-name digits --metric val/accuracy --maximize
  python -m workloads.registry.select_best_run --experiment-name digits --metric val/loss --minimize --json > run.json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the best run."""
    parser = cli.parser("workloads.registry.select_best_run", "Choose the best run of an MLflow experiment.", _EPILOG)
    options.add_selection(parser)
    parser.add_argument("--json", action="store_true", help="print the run, its metrics and git commit as JSON")
    args = parser.parse_args(argv)
    tracking = Tracking(cli.require_env(Env.TRACKING_URI, "the address of MLflow, such as http://127.0.0.1:5000"))
    best = select_best_run(tracking, args.experiment_name, args.metric, maximize=args.maximize)
    print(json.dumps(dataclasses.asdict(best)) if args.json else best.run_id)
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
