"""Options that several commands share: the selection of a run, and the checks of MLflow's names."""

import argparse
import os
import re
from typing import Final

DEFAULT_METRIC = "val/accuracy"

# MLflow's rule for the names of metrics (mlflow/utils/validation.py).
_METRIC: Final = re.compile(r"[/\w.\- :]{1,250}")
# In characters, from the columns of MLflow's database.
_LONGEST_EXPERIMENT: Final = 256
_LONGEST_RUN: Final = 250
# In bytes: a file's name on Linux.
_LONGEST_FILE: Final = 255


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options for the experiment, the metric and the direction."""
    parser.add_argument(
        "--experiment-name", metavar="NAME", type=experiment, required=True, help="experiment whose runs are compared"
    )
    parser.add_argument("--metric", metavar="METRIC", type=metric, default=DEFAULT_METRIC, help="metric that decides")
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument(
        "--maximize", dest="maximize", action="store_true", default=True, help="the highest value wins (the default)"
    )
    direction.add_argument("--minimize", dest="maximize", action="store_false", help="the lowest value wins")


def run(name: str) -> str:
    """Parse the name of a run.

    Raises:
        ArgumentTypeError: MLflow doesn't allow the name.
    """
    return _printable(name, _LONGEST_RUN)


def model(name: str) -> str:
    """Parse the name of a registered model, which is also used as the name of a folder.

    Raises:
        ArgumentTypeError: MLflow or the file system doesn't allow the name.
    """
    if name in {".", ".."} or set(name) & set("/:'") or len(os.fsencode(name)) > _LONGEST_FILE:
        raise argparse.ArgumentTypeError(
            f"must be at most {_LONGEST_FILE} bytes without slash, colon and quote, and not '.' or '..', got {name!r}"
        )
    return _printable(name, _LONGEST_FILE)


def experiment(name: str) -> str:
    """Parse the name of an experiment.

    Raises:
        ArgumentTypeError: MLflow doesn't allow the name.
    """
    return _printable(name, _LONGEST_EXPERIMENT)


def metric(name: str) -> str:
    """Parse the name of a metric.

    Raises:
        ArgumentTypeError: MLflow doesn't allow the name.
    """
    if not _METRIC.fullmatch(name):
        raise argparse.ArgumentTypeError(f"must be 1 to 250 letters, digits, spaces and any of _ - . : /, got {name!r}")
    return name


def _printable(name: str, most: int) -> str:
    if not name.strip() or not name.isprintable() or len(name) > most:
        raise argparse.ArgumentTypeError(f"must be 1 to {most} printable characters, got {name!r}")
    return name
