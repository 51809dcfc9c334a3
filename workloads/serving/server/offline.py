"""The environment of a process that loads a model without a network and writes nothing beside it."""

import os
import sys
from collections.abc import Mapping
from typing import Final

_OFFLINE: Final[Mapping[str, str]] = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


def prepare(threads: int) -> None:
    """Set the variables of the libraries, which read them when they are imported.

    `threads` is the number of threads of one computation. By default, they would be as many as the machine has CPUs,
    however few of those the process may use.
    """
    os.environ.update(_OFFLINE)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    # The model's code lies in a folder that is read-only, or must not change.
    sys.dont_write_bytecode = True
