"""The options that say which run is meant, and the names that MLflow takes, shared by the commands."""

import argparse
import os
import re
from typing import Final

DEFAULT_METRIC = "val/accuracy"

# What MLflow takes as the name of a metric (mlflow/utils/validation.py), so no other can be found.
_METRIC: Final = re.compile(r"[/\w.\- :]{1,250}")
_LONGEST_EXPERIMENT: Final = 500
_LONGEST_RUN: Final = 250
# Of a file's name on Linux.
_LONGEST_FILE: Final = 255


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the experiment, the metric and the direction."""
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
    """Return the name of a run, for argparse.

    Raises:
        ArgumentTypeError: No run shall have it.
    """
    return _printable(name, _LONGEST_RUN)


def model(name: str) -> str:
    """Return the name of a registered model, which becomes the name of a folder, too, for argparse.

    Raises:
        ArgumentTypeError: No model can have it.
    """
    if name in {".", ".."} or set(name) & set("/:'") or len(os.fsencode(name)) > _LONGEST_FILE:
        raise argparse.ArgumentTypeError(
            f"{name!r} is given: a name without slash, colon and quote is allowed, of at most {_LONGEST_FILE} bytes "
            "and not '.' or '..'"
        )
    return _printable(name, _LONGEST_FILE)


def experiment(name: str) -> str:
    """Return the name of an experiment, for argparse.

    Raises:
        ArgumentTypeError: No experiment can have it.
    """
    return _printable(name, _LONGEST_EXPERIMENT)


def metric(name: str) -> str:
    """Return the name of a metric, for argparse.

    Raises:
        ArgumentTypeError: No metric can have it.
    """
    if not _METRIC.fullmatch(name):
        raise argparse.ArgumentTypeError(
            f"{name!r} is given: 1 to 250 letters, digits, spaces and any of _ - . : / are allowed"
        )
    return name


def _printable(name: str, most: int) -> str:
    if not name.strip() or not name.isprintable() or len(name) > most:
        raise argparse.ArgumentTypeError(f"{name!r} is given: 1 to {most} printable characters are allowed")
    return name
