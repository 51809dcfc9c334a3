"""The command that trains a residual network with DeepSpeed and logs it to MLflow."""

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Sequence

from workloads import cli
from workloads.training.args import parse
from workloads.training.stopping import Stop

# Defaults for environment variables that libraries read when they are imported.
ENVIRONMENT = {
    # Waiting threads of PyTorch spin by default: on busy cores, steps take twenty times as long.
    "OMP_WAIT_POLICY": "PASSIVE",
    # MLflow's client would report usage data to its developers.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow's bar for the copy of a few files into a model directory.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    args = parse(argv)
    stop = Stop()
    stop.watch()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # PyTorch and DeepSpeed are imported only now: help and bad arguments needn't wait ten seconds for them, and
    # DeepSpeed needs a prepared environment. Their output on stdout goes to stderr, as stdout is for the result.
    with contextlib.redirect_stdout(sys.stderr):
        device = importlib.import_module("workloads.training.environment").prepare(args.device)
        result = importlib.import_module("workloads.training.job").run(args, device, stop)
    if args.json and result is not None:
        print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    cli.run(main)
