"""The usual python batches of CIFAR-10: five training files and a test file, each a pickled dictionary.

Layout: https://www.cs.toronto.edu/~kriz/cifar.html ("data": uint8 of 10000x3072, red then green then blue, rows first;
"labels": a list of 10000 numbers from 0 to 9).
"""

import pickle
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

from contracts import Exit
from workloads.cli import WorkloadError

TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILE = "test_batch"
FILES = (*TRAIN_FILES, TEST_FILE)

_CLASSES = 10
_SHAPE = (3, 32, 32)

Part = tuple[np.ndarray, np.ndarray]

# The globals of a pickled NumPy array, under the names of NumPy 1 and 2, and the codec of Python 2's strings.
_SAFE_GLOBALS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
}


class _ArrayUnpickler(pickle.Unpickler):
    """Reads arrays, lists, strings and dictionaries; refuses pickles that would call anything else."""

    def find_class(self, module_name: str, global_name: str, /) -> object:
        if (module_name, global_name) not in _SAFE_GLOBALS:
            raise pickle.UnpicklingError(f"it refers to {module_name}.{global_name}")
        return super().find_class(module_name, global_name)


def read(folder: Path) -> tuple[Part, Part]:
    """Return pictures (n, 3, 32, 32) and labels of the training files and of the test file in `folder`.

    Raises:
        WorkloadError: A file is missing or isn't a CIFAR-10 batch.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise WorkloadError(
            f"{folder} has no {', '.join(missing)}: CIFAR-10 needs all of {', '.join(FILES)}.", Exit.USAGE
        )
    parts = [_read_batch(folder / name) for name in TRAIN_FILES]
    pictures, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return (pictures, labels), _read_batch(folder / TEST_FILE)


def _read_batch(path: Path) -> Part:
    try:
        with path.open("rb") as file:
            batch = _unpickle(file)
        pixels, labels = batch[b"data"], np.asarray(batch[b"labels"])
        pictures = pixels.reshape(-1, *_SHAPE)
    except OSError as error:
        raise WorkloadError(f"{path} can't be read: {error.strerror}.", Exit.USAGE) from error
    except KeyError as error:
        _refuse(path, f"it has no {error}")
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError, ImportError) as error:
        _refuse(path, str(error) or "it ends too early")
    if pictures.dtype != np.uint8 or labels.dtype.kind not in "iu" or labels.shape != (len(pictures),):
        _refuse(path, f"it has {pixels.dtype} data of shape {pixels.shape} and {labels.shape[0]} labels")
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= _CLASSES:
        _refuse(path, "it has no labels, or labels outside 0 to 9")
    return pictures, labels


def _unpickle(file: BinaryIO) -> dict[bytes, np.ndarray]:
    batch = _ArrayUnpickler(file, encoding="bytes").load()
    if not isinstance(batch, dict):
        raise TypeError(f"it contains a {type(batch).__name__}, not a dictionary")
    return batch


def _refuse(path: Path, reason: str) -> NoReturn:
    raise WorkloadError(
        f"{path} is not a CIFAR-10 batch: {reason}. Expected a pickled dictionary with b'data' (uint8, n x 3072) "
        "and b'labels' (n numbers from 0 to 9).",
        Exit.USAGE,
    )
