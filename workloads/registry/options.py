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
# In characters, so that a record stays small.
_LONGEST_PERSON: Final = 250
_LONGEST_REASON: Final = 2000
_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}")
# MLflow's rule for aliases (mlflow/utils/validation.py).
_ALIAS: Final = re.compile(r"(?!(?i:v)[0-9]+$)[A-Za-z0-9_\-]{1,250}")
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


def add_subject(parser: argparse.ArgumentParser) -> None:
    """Add the options for what is compared: an experiment's runs, or a registered model's versions."""
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument(
        "--experiment-name", metavar="NAME", type=experiment, help="experiment whose runs are compared"
    )
    subject.add_argument(
        "--model-name", metavar="NAME", type=model, help="registered model whose versions are compared"
    )


def add_direction(parser: argparse.ArgumentParser, of: str) -> None:
    """Add the options for the direction, which is None if neither is given; `of` says of which metric it is."""
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument(
        "--maximize", dest="maximize", action="store_true", default=None, help=f"the highest value {of} is the best"
    )
    direction.add_argument(
        "--minimize", dest="maximize", action="store_false", default=None, help=f"the lowest value {of} is the best"
    )


def run(name: str) -> str:
    """Parse the name of a run.

    Raises:
        ArgumentTypeError: MLflow doesn't allow the name.
    """
    return _printable(name, _LONGEST_RUN)


def run_id(text: str) -> str:
    """Parse the ID of a run.

    Raises:
        ArgumentTypeError: MLflow doesn't make such IDs.
    """
    if not _RUN_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"must be the 32 hexadecimal digits of a run's ID, got {text!r}")
    return text


def model(name: str) -> str:
    """Parse the name of a registered model, which is also used as the name of a folder.

    Raises:
        ArgumentTypeError: MLflow or the file system doesn't allow the name.
    """
    # MLflow refuses every name that starts with two dots (mlflow/utils/validation.py, path_not_unique).
    if name == "." or name.startswith("..") or set(name) & set("/:'") or len(os.fsencode(name)) > _LONGEST_FILE:
        raise argparse.ArgumentTypeError(
            f"must be at most {_LONGEST_FILE} bytes without slash, colon and quote, and not '.' or start with '..', "
            f"got {name!r}"
        )
    return _printable(name, _LONGEST_FILE)


def version(number: str) -> str:
    """Parse the number of a model version.

    Raises:
        ArgumentTypeError: It isn't a number from 1.
    """
    if not _VERSION.fullmatch(number):
        raise argparse.ArgumentTypeError(f"must be the number of a version, from 1, got {number!r}")
    return number


def alias(name: str) -> str:
    """Parse an alias.

    Raises:
        ArgumentTypeError: MLflow doesn't allow it, or only decisions about other aliases move it.
    """
    if not _ALIAS.fullmatch(name) or name in {"latest", "candidate", "previous"}:
        raise argparse.ArgumentTypeError(
            "must be 1 to 250 letters, digits, - and _, and not latest, candidate, previous or a version such as v1, "
            f"got {name!r}"
        )
    return name


def person(name: str) -> str:
    """Parse the name of a person or a pipeline.

    Raises:
        ArgumentTypeError: It is empty, too long or can't be printed.
    """
    return _printable(name, _LONGEST_PERSON)


def reason(text: str) -> str:
    """Parse the reason of a decision.

    Raises:
        ArgumentTypeError: It is empty, too long or can't be printed.
    """
    return _printable(text, _LONGEST_REASON)


def sha256(text: str) -> str:
    """Parse a SHA-256.

    Raises:
        ArgumentTypeError: It isn't 64 lowercase hexadecimal digits.
    """
    if not _SHA256.fullmatch(text):
        raise argparse.ArgumentTypeError(f"must be 64 lowercase hexadecimal digits, got {text!r}")
    return text


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


def count(text: str) -> int:
    """Parse a number of runs.

    Raises:
        ArgumentTypeError: It isn't a whole number of at least 1.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return number


def _printable(name: str, most: int) -> str:
    if not name.strip() or not name.isprintable() or len(name) > most:
        raise argparse.ArgumentTypeError(f"must be 1 to {most} printable characters, got {name!r}")
    return name
