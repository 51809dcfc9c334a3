"""CIFAR-10 as JPEG pictures in one NumPy file, a tenth of the size of the python batches.

Arrays: `header` (uint8, the JPEG header that all pictures share), `scans` (uint8, the remaining bytes of all pictures,
concatenated), `offsets` (n+1 numbers: picture i is header + scans[offsets[i]:offsets[i+1]]), `labels` (uint8, n) and
`is_train` (bool, n).
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from contracts import Exit
from workloads.cli import WorkloadError

ARRAYS = ("header", "scans", "offsets", "labels", "is_train")

_SIDE = 32
_CLASSES = 10

Part = tuple[np.ndarray, np.ndarray]


def read(path: Path) -> tuple[Part, Part]:
    """Return pictures (n, 3, 32, 32) and labels of the training and of the test split in `path`.

    Raises:
        WorkloadError: The file can't be read, lacks an array, or has other content.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            header, scans, offsets, labels, is_train = (arrays[name] for name in ARRAYS)
        _check(scans, offsets, labels, is_train)
        pictures = _decode(header.tobytes(), scans, offsets)
    except OSError as error:
        raise _refusal(path, error.strerror or str(error)) from error
    except KeyError as error:
        raise _refusal(path, str(error.args[0])) from error
    except (ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, UnidentifiedImageError) as error:
        raise _refusal(path, str(error)) from error
    return (pictures[is_train], labels[is_train]), (pictures[~is_train], labels[~is_train])


def _check(scans: np.ndarray, offsets: np.ndarray, labels: np.ndarray, is_train: np.ndarray) -> None:
    if is_train.dtype != np.bool_ or not len(offsets) - 1 == len(labels) == len(is_train):
        raise ValueError(f"{len(offsets)} offsets, {len(labels)} labels and {len(is_train)} split marks don't match")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= _CLASSES:
        raise ValueError("labels outside 0 to 9")
    if is_train.all() or not is_train.any():
        raise ValueError("it must contain training and test pictures")
    if offsets[-1] != len(scans) or (np.diff(offsets.astype("int64")) <= 0).any():
        raise ValueError("the offsets don't match the pictures")


def _decode(header: bytes, scans: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    data = scans.tobytes()
    pictures = np.empty((len(offsets) - 1, _SIDE, _SIDE, 3), dtype=np.uint8)
    for number, (start, end) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)):
        with Image.open(io.BytesIO(header + data[start:end]), formats=("JPEG",)) as picture:
            pictures[number] = np.asarray(picture.convert("RGB"))
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))


def _refusal(path: Path, reason: str) -> WorkloadError:
    return WorkloadError(
        f"{path} is not an array file of CIFAR-10 pictures: {reason}. "
        f"Expected a NumPy .npz file with the arrays {', '.join(ARRAYS)}.",
        Exit.USAGE,
    )
