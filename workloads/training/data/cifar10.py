"""CIFAR-10 from the user's files: the usual python batches, or all pictures as JPEG in one array file.

Nothing is downloaded. Python batches are pickles, which are read with an unpickler that accepts NumPy arrays only.
"""

from pathlib import Path

import numpy as np
import torch

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.training.data import cifar10_batches, cifar10_jpeg
from workloads.training.data.split import Split

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_ARRAY_FILE = "cifar10-jpeg.npz"
_BATCHES_FOLDER = "cifar-10-batches-py"


def load(source: Path) -> tuple[Split, Split, tuple[str, ...]]:
    """Return the training and test pictures (n, 3, 32, 32) of `source`, and the class names.

    `source` is the array file, or a folder with the array file, the python batches or the batches' folder.

    Raises:
        WorkloadError: `source` has none of these, or a file is corrupt.
    """
    try:
        if source.is_file():
            splits = cifar10_jpeg.read(source)
        elif (source / _ARRAY_FILE).is_file():
            splits = cifar10_jpeg.read(source / _ARRAY_FILE)
        else:
            splits = cifar10_batches.read(_batches_folder(source))
    # A name that is too long, or a folder without read permission.
    except OSError as error:
        raise WorkloadError(f"--data-dir {source} can't be read: {error.strerror}.", Exit.USAGE) from error
    train, test = (_as_split(pictures, labels) for pictures, labels in splits)
    return train, test, CLASS_NAMES


def _batches_folder(source: Path) -> Path:
    for folder in (source, source / _BATCHES_FOLDER):
        if any((folder / name).is_file() for name in cifar10_batches.FILES):
            return folder
    found = "does not exist" if not source.exists() else "contains neither"
    raise WorkloadError(
        f"--data-dir {source} {found}: expected the python batches ({', '.join(cifar10_batches.FILES)}), "
        f"a folder {_BATCHES_FOLDER} with them, or {_ARRAY_FILE}.",
        Exit.USAGE,
    )


def _as_split(pictures: np.ndarray, labels: np.ndarray) -> Split:
    return Split(pictures=torch.from_numpy(pictures), labels=torch.from_numpy(labels.astype("int64")))
