"""Scores of predictions: one number per sample, as a gain, so that more is always better.

A classifier may return class scores (logits or probabilities, a column per class), the classes themselves, or, for two
classes, the probability of the second. A regression returns one or several numbers per sample.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workloads.registry.policy.schema import Score

# The columns that the trainer's PyFunc model returns.
_PROBABILITIES: Final = "probabilities"
_CLASS: Final = "class_index"
# A probability of 0 for the right class counts as this one.
_LEAST_PROBABILITY: Final = 1e-15
_SUM_TOLERANCE: Final = 1e-3


class PredictionError(Exception):
    """Predictions that can't be scored; the text is the reason, without the model's name."""


def as_array(output: object) -> NDArray[Any]:
    """Return what a model predicted as one array with a row per sample.

    Raises:
        PredictionError: It has several outputs, or isn't an array.
    """
    if isinstance(output, pd.DataFrame):
        return _from_table(output)
    if isinstance(output, Mapping):
        if len(output) != 1:
            raise PredictionError(
                f"it returns {len(output)} outputs ({', '.join(map(str, output))}), and one is needed"
            )
        return as_array(next(iter(output.values())))
    try:
        array = np.asarray(output)
    except ValueError as error:
        raise PredictionError("its output isn't an array: its rows have different lengths") from error
    if array.ndim == 0:
        raise PredictionError(f"its output isn't an array: got {type(output).__name__}")
    return array


def _from_table(table: pd.DataFrame) -> NDArray[Any]:
    if _PROBABILITIES in table:
        return as_array(table[_PROBABILITIES].tolist())
    if _CLASS in table:
        return table[_CLASS].to_numpy()
    return table.iloc[:, 0].to_numpy() if table.shape[1] == 1 else table.to_numpy()


def check(predictions: NDArray[Any], samples: int) -> NDArray[Any]:
    """Return the predictions without a last dimension of 1.

    Raises:
        PredictionError: Their number is wrong, or they are not finite.
    """
    if len(predictions) != samples:
        raise PredictionError(f"it returns {len(predictions)} predictions for {samples} samples")
    if predictions.dtype.kind == "f":
        broken = ~np.isfinite(predictions.reshape(samples, -1)).all(axis=1)
        if broken.any():
            raise PredictionError(f"its predictions of {int(broken.sum())} of {samples} samples are NaN or infinite")
    elif predictions.dtype.kind not in "iubUO":
        raise PredictionError(f"its predictions must be numbers or class names, got {predictions.dtype}")
    return predictions[:, 0] if predictions.ndim == 2 and predictions.shape[1] == 1 else predictions  # noqa: PLR2004 - a matrix of one column


def gains(predictions: NDArray[Any], target: NDArray[Any], score: Score) -> NDArray[np.float64]:
    """Return the gain of each sample: 1 or 0 for `accuracy`, the negative error or loss for the others.

    Raises:
        PredictionError: The predictions or the targets are of another kind than the score needs.
    """
    match score:
        case "accuracy":
            return (_classes(predictions, target) == _comparable(target)).astype(np.float64)
        case "log_loss":
            return _log_likelihood(predictions, target)
        case "absolute_error":
            return -_errors(predictions, target, np.abs)
        case "squared_error":
            return -_errors(predictions, target, np.square)


def _classes(predictions: NDArray[Any], target: NDArray[Any]) -> NDArray[Any]:
    if predictions.ndim == 2:  # noqa: PLR2004 - a matrix
        _require_indices(target, predictions.shape[1])
        return predictions.argmax(axis=1)
    if predictions.ndim != 1:
        raise PredictionError(
            f"its output must be classes or a row of class scores per sample, got {_form(predictions)}"
        )
    if predictions.dtype.kind == "f" and not (predictions == np.round(predictions)).all():
        if _is_binary(target) and _are_probabilities(predictions):
            return (predictions > 0.5).astype(np.int64)  # noqa: PLR2004 - the likelier class
        raise PredictionError(
            "its output must be classes, got numbers that are neither whole nor probabilities of two classes"
        )
    if (predictions.dtype.kind in "UO") != (target.dtype.kind in "UO"):
        raise PredictionError(f"its classes are {predictions.dtype}, and the right ones {target.dtype}")
    return _comparable(predictions)


def _comparable(classes: NDArray[Any]) -> NDArray[Any]:
    return classes.astype(str) if classes.dtype.kind in "UO" else classes.astype(np.float64)


def _log_likelihood(predictions: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float64]:
    if (
        predictions.ndim == 1
        and predictions.dtype.kind == "f"
        and _is_binary(target)
        and _are_probabilities(predictions)
    ):
        predictions = np.stack([1 - predictions, predictions], axis=1)
    if predictions.ndim != 2 or predictions.dtype.kind not in "fiu":  # noqa: PLR2004 - a matrix
        raise PredictionError(f"log_loss needs a row of logits or probabilities per sample, got {_form(predictions)}")
    _require_indices(target, predictions.shape[1])
    rows = predictions.astype(np.float64)
    if not (_are_probabilities(rows) and np.allclose(rows.sum(axis=1), 1, atol=_SUM_TOLERANCE)):
        rows = np.exp(rows - rows.max(axis=1, keepdims=True))
        rows /= rows.sum(axis=1, keepdims=True)
    right = rows[np.arange(len(rows)), target.astype(np.int64)]
    return np.log(np.maximum(right, _LEAST_PROBABILITY))


def _errors(predictions: NDArray[Any], target: NDArray[Any], of: np.ufunc) -> NDArray[np.float64]:
    truth = target[:, 0] if target.ndim == 2 and target.shape[1] == 1 else target  # noqa: PLR2004 - a matrix of one column
    if predictions.dtype.kind not in "fiub" or truth.dtype.kind not in "fiub":
        raise PredictionError(f"an error needs numbers, got {predictions.dtype} for {truth.dtype}")
    if predictions.shape != truth.shape:
        raise PredictionError(f"its output has the shape {predictions.shape}, and the target {truth.shape}")
    errors = of(predictions.astype(np.float64) - truth.astype(np.float64))
    return errors.reshape(len(errors), -1).mean(axis=1)


def _require_indices(target: NDArray[Any], classes: int) -> None:
    if target.ndim != 1 or target.dtype.kind not in "iufb" or (target.astype(np.float64) % 1 != 0).any():
        raise PredictionError(f"its class scores need a whole number per sample as the target, got {_form(target)}")
    if target.min() < 0 or target.max() >= classes:
        raise PredictionError(
            f"it scores {classes} classes, and the target has {int(target.min())} to {int(target.max())}"
        )


def _is_binary(target: NDArray[Any]) -> bool:
    return target.dtype.kind in "iufb" and set(np.unique(target)) <= {0, 1}


def _are_probabilities(numbers: NDArray[Any]) -> bool:
    return bool(((numbers >= 0) & (numbers <= 1)).all())


def _form(array: NDArray[Any]) -> str:
    return f"{array.dtype} of shape {array.shape}"
