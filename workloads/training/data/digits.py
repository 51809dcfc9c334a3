"""scikit-learn's handwritten digits: 1,797 pictures of 8x8 grey values from 0 to 16, included in the package."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from workloads.training.data.split import Split

_SIDE = 8
_VALIDATION_SHARE = 0.2
# The split belongs to the data set: runs with different seeds stay comparable.
_SPLIT_SEED = 0


def load() -> tuple[Split, Split, tuple[str, ...]]:
    """Return the training split (1,437 pictures), the validation split (360) and the class names."""
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(
        pixels.astype("uint8"),
        labels.astype("int64"),
        test_size=_VALIDATION_SHARE,
        random_state=_SPLIT_SEED,
        stratify=labels,
    )
    train_pixels, validation_pixels, train_labels, validation_labels = map(torch.from_numpy, parts)
    shape = (-1, 1, _SIDE, _SIDE)
    return (
        Split(pictures=train_pixels.reshape(shape), labels=train_labels),
        Split(pictures=validation_pixels.reshape(shape), labels=validation_labels),
        tuple(str(digit) for digit in range(10)),
    )
