"""Inputs of any form as named columns with a value per sample: numbers, or texts.

A tensor's sample, such as a picture, is replaced by its mean, standard deviation, minimum and maximum, per channel.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

# float64 with NaN for a missing value, or objects: text, or None for a missing value.
Column = np.ndarray[Any, Any]

# A matrix with more columns than this is measured as a tensor.
MOST_COLUMNS: Final = 100
# An axis of at most so many entries is taken for the channels of a picture.
_MOST_CHANNELS: Final = 4
_PICTURES: Final = 4
_MATRIX: Final = 2
# The kinds of pandas' infer_dtype that are numbers.
_NUMBERS: Final = {"integer", "floating", "mixed-integer-float", "decimal", "boolean"}


def pick(inputs: Any, most: int) -> Any:  # noqa: ANN401 - whatever a model takes
    """Return at most `most` evenly spaced samples of `inputs`; if it has more, they are a copy."""
    match inputs:
        case Mapping():
            return {name: pick(values, most) for name, values in inputs.items()}
        case pd.DataFrame() | pd.Series():
            return inputs if len(inputs) <= most else inputs.iloc[_spread(len(inputs), most)]
        case np.ndarray() if inputs.ndim:
            return inputs if len(inputs) <= most else inputs[_spread(len(inputs), most)]
        case list() | tuple():
            return inputs if len(inputs) <= most else [inputs[index] for index in _spread(len(inputs), most)]
    return inputs


def size_of(inputs: object) -> int:
    """Return the bytes of the numbers in `inputs`; texts are not counted."""
    match inputs:
        case Mapping():
            return sum(size_of(values) for values in inputs.values())
        case np.ndarray():
            return inputs.nbytes
        case pd.DataFrame() | pd.Series():
            return inputs.size * np.dtype(np.float64).itemsize
    return 0


def columns_of(inputs: object) -> dict[str, Column]:
    """Return the columns of `inputs`: a data frame, an array, a list, a text, or a mapping of such by name.

    Columns without a measure, such as dates and lists, are left out. A matrix's columns are named by their number.
    """
    match inputs:
        case pd.DataFrame():
            return dict(_of_frame(inputs))
        case Mapping() if len(inputs) == 1:
            # A tensor that a client sends by its name is the one that the training had without a name.
            ((name, values),) = inputs.items()
            array = _array(values)
            return dict(_of_array("" if array.ndim > 1 else str(name), array))
        case Mapping():
            return {
                column: values for name, each in inputs.items() for column, values in _of_array(str(name), _array(each))
            }
        case list() if inputs and isinstance(inputs[0], Mapping):
            return dict(_of_frame(pd.DataFrame(inputs)))
    return dict(_of_array("", _array(inputs)))


def numbers_of(values: object) -> Column:
    """Return objects as float64; NaN for what isn't a number."""
    series: Any = pd.to_numeric(pd.Series(values), errors="coerce")
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _spread(length: int, most: int) -> np.ndarray[Any, Any]:
    return np.linspace(0, length - 1, most).astype(np.intp)


def _array(values: object) -> np.ndarray[Any, Any]:
    if isinstance(values, pd.Series):
        return values.to_numpy()
    try:
        return np.atleast_1d(np.asarray(values))
    except ValueError:  # Lists of different lengths.
        return np.empty(0)


def _of_frame(frame: pd.DataFrame) -> Iterator[tuple[str, Column]]:
    for name, series in frame.items():
        # NumPy's own arrays are measured faster than pandas' series.
        values = _plain(series.to_numpy() if isinstance(series.dtype, np.dtype) else series)
        if values is not None:
            yield str(name), values


def _of_array(name: str, array: np.ndarray[Any, Any]) -> Iterator[tuple[str, Column]]:
    """Yield the columns of an array whose first axis are the samples."""
    if array.ndim == 1:
        parts: Sequence[tuple[str, Any]] = [(name or "0", array)]
    elif array.ndim == _MATRIX and array.shape[1] <= MOST_COLUMNS:
        parts = [(f"{name}[{index}]" if name else str(index), array[:, index]) for index in range(array.shape[1])]
    elif array.dtype.kind in "biuf":
        yield from _measures(f"{name}: " if name else "", array)
        return
    else:
        return
    for column, values in parts:
        plain = _plain(values)
        if plain is not None:
            yield column, plain


def _measures(prefix: str, array: np.ndarray[Any, Any]) -> Iterator[tuple[str, Column]]:
    for part, values in _channels(array):
        flat = values.reshape(len(values), math.prod(values.shape[1:])).astype(np.float64)
        for measure in ("mean", "std", "min", "max"):
            # A picture without pixels has no minimum.
            found = getattr(flat, measure)(axis=1) if flat.shape[1] else np.full(len(flat), np.nan)
            yield f"{prefix}{part}{measure}", found


def _channels(array: np.ndarray[Any, Any]) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    for axis in (1, array.ndim - 1):
        if array.ndim >= _PICTURES and array.shape[axis] <= _MOST_CHANNELS:
            for channel in range(array.shape[axis]):
                yield f"channel {channel} ", np.take(array, channel, axis)
            return
    yield "", array


def _plain(values: pd.Series | Column) -> Column | None:
    """Return numbers as float64, anything else as texts; None if there is no measure for it."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "biuf":
            return values.astype(np.float64)
        return None if values.dtype.kind in "cmM" else _objects(values.astype(object))
    if pd.api.types.is_numeric_dtype(values.dtype):
        return None if values.dtype.kind == "c" else values.to_numpy(dtype=np.float64, na_value=np.nan)
    if isinstance(values.dtype, pd.DatetimeTZDtype | pd.PeriodDtype):
        return None
    return _objects(values.to_numpy(dtype=object))


def _objects(objects: Column) -> Column | None:
    missing = pd.isna(objects)
    if pd.api.types.infer_dtype(objects, skipna=True) in _NUMBERS:
        return numbers_of(objects)
    if any(not isinstance(value, str | int | float) for value in objects[~missing]):
        return None
    return np.array([None if gone else str(value) for value, gone in zip(objects, missing, strict=True)], dtype=object)
