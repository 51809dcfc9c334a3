"""The options that the commands about served models share."""

import argparse
import os

from contracts import SERVING_NAMESPACE, Env
from workloads.registry import options
from workloads.serving import kubernetes
from workloads.serving.kubernetes import Serving


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model that the command is about."""
    parser.add_argument("model", metavar="MODEL", type=options.model, help="registered model")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the form of the output."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def serving() -> Serving:
    """Return the served models of the user's cluster.

    Raises:
        WorkloadError: KUBECONFIG names no cluster (`Exit.USAGE`).
    """
    return kubernetes.connect(os.environ.get(Env.SERVING_NAMESPACE) or SERVING_NAMESPACE)
