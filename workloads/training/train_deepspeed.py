"""`python -m workloads.training.train_deepspeed`: train a residual network with DeepSpeed, log it to MLflow."""

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Sequence

from workloads import cli
from workloads.training.args import parse
from workloads.training.stopping import Stop

# What libraries read when they are imported, unless the user has set it.
_ENVIRONMENT = {
    # Waiting threads of PyTorch spin by default: on busy cores, steps take twenty times as long.
    "OMP_WAIT_POLICY": "PASSIVE",
    # MLflow's client would report its use to its makers.
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says and return the exit code."""
    args = parse(argv)
    stop = Stop()
    stop.watch()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # PyTorch and DeepSpeed are imported only now: help and bad arguments don't wait ten seconds for them, and DeepSpeed
    # finds the environment prepared. What they print on stdout goes where progress goes.
    with contextlib.redirect_stdout(sys.stderr):
        device = importlib.import_module("workloads.training.environment").prepare(args.device)
        result = importlib.import_module("workloads.training.job").run(args, device, stop)
    if args.json and result is not None:
        print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    cli.run(main)
