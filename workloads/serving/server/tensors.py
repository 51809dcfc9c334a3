"""The tensors of the Open Inference Protocol v2, as JSON.

Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

import base64
import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from mlflow.utils.proto_json_utils import NumpyEncoder

from workloads.serving.server.errors import RequestError

BYTES: Final = "BYTES"
NUMBERS: Final[Mapping[str, np.dtype[Any]]] = {
    "BOOL": np.dtype(np.bool_),
    **{f"{sign}INT{bits}": np.dtype(f"{sign}int{bits}".lower()) for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
}
DATATYPES: Final = (*NUMBERS, BYTES)

_NAMES: Final = {dtype: name for name, dtype in NUMBERS.items()}
# NumPy's kinds of the JSON numbers that each kind of tensor takes.
_TAKEN: Final = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """A named tensor. The values of the datatype BYTES are an array of strings, of NumPy's type `object`."""

    name: str
    datatype: str
    values: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """Return the tensor's JSON object, with flat data; not-a-number and infinity, which JSON lacks, are null."""
        flat = self.values.ravel()
        data = flat.tolist()
        if flat.dtype.kind == "f" and not np.isfinite(flat).all():
            data = [value if math.isfinite(value) else None for value in data]
        return {"name": self.name, "shape": list(self.values.shape), "datatype": self.datatype, "data": data}


def parse(fields: object) -> Tensor:
    """Return the tensor of a JSON object, whose data are flat or nested as its shape says.

    In floating point, null is not-a-number.

    Raises:
        RequestError: It isn't a tensor of the protocol, or its data don't have its shape and datatype.
    """
    if not isinstance(fields, dict) or not isinstance(name := fields.get("name"), str):
        raise RequestError("An input must be an object with the fields name, shape, datatype and data.")
    shape, datatype, data = _shape(name, fields.get("shape")), fields.get("datatype"), fields.get("data")
    if datatype not in DATATYPES:
        raise RequestError(f"Input {name!r}: datatype must be one of {', '.join(DATATYPES)}, got {datatype!r}.")
    if not isinstance(data, list):
        raise RequestError(f"Input {name!r}: data must be a list; binary data aren't supported.")
    values = _texts(name, data) if datatype == BYTES else _numbers(name, data, datatype)
    if values.size != math.prod(shape) or (values.ndim != 1 and values.shape != shape):
        raise RequestError(f"Input {name!r}: data must have the shape {list(shape)}, got {list(values.shape)}.")
    try:
        return Tensor(name=name, datatype=datatype, values=values.reshape(shape))
    # NumPy has limits for the number of dimensions, and for one beside a dimension of 0.
    except (ValueError, OverflowError) as error:
        raise RequestError(f"Input {name!r}: the shape {list(shape)} is too large.") from error


def of(name: str, values: object) -> Tensor:
    """Return the tensor of a model's output.

    Values that are neither numbers nor strings become strings: times in ISO 8601, bytes in base64, others in JSON.
    """
    array = np.atleast_1d(_array(values))
    if array.dtype.kind == "M":
        array = array.astype(str).astype(object)
    if array.dtype.kind == "f" and array.dtype not in _NAMES:
        array = array.astype(np.float64)
    if datatype := _NAMES.get(array.dtype.newbyteorder("=")):
        return Tensor(name=name, datatype=datatype, values=array)
    texts = np.empty(array.shape, dtype=object)
    texts.ravel()[:] = [_text(value) for value in array.ravel().tolist()]
    return Tensor(name=name, datatype=BYTES, values=texts)


def _shape(name: str, shape: object) -> tuple[int, ...]:
    if isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape):
        return tuple(shape)
    raise RequestError(f"Input {name!r}: shape must be a list of whole numbers from 0, got {shape!r}.")


def _texts(name: str, data: Sequence[Any]) -> np.ndarray:
    values = np.array(data, dtype=object)
    for value in values.flat:
        if not isinstance(value, str):
            raise RequestError(f"Input {name!r}: {BYTES} must be strings, got {value!r}.")
    return values


def _numbers(name: str, data: Sequence[Any], datatype: str) -> np.ndarray:
    dtype = NUMBERS[datatype]
    try:
        values = _parsed(data, dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestError(f"Input {name!r}: data must be numbers, flat or nested as shape says.") from error
    if values.size and (values.dtype.kind not in _TAKEN[dtype.kind] or _outside(values, dtype)):
        raise RequestError(f"Input {name!r}: data must be values of {datatype}, flat or nested as shape says.")
    return values.astype(dtype, copy=False)


def _parsed(data: Sequence[Any], dtype: np.dtype[Any]) -> np.ndarray:
    """Return the values in the type that NumPy sees in them, which is refused if `dtype` doesn't take it."""
    values = np.asarray(data)
    if values.dtype.kind == "O" and dtype.kind == "f" and not any(isinstance(each, str) for each in values.flat):
        return values.astype(np.float64)
    # NumPy takes 0 beside 2**64 - 1 for floating point.
    if values.dtype.kind == "f" and dtype == np.uint64:
        exact = np.array(data, dtype=object)
        return exact.astype(dtype) if all(type(each) is int for each in exact.flat) else values
    return values


def _outside(values: np.ndarray, dtype: np.dtype[Any]) -> bool:
    """Return whether a value is too large or too small for `dtype`."""
    if dtype.kind == "b":
        return False
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return int(values.min()) < limits.min or int(values.max()) > limits.max
    finite = np.abs(values[np.isfinite(values)].astype(np.float64))
    return bool(finite.size) and float(finite.max()) > float(np.finfo(dtype).max)


def _array(values: object) -> np.ndarray:
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O" and array.ndim == 1 and all(isinstance(row, list | np.ndarray) for row in array):
            # A column of lists: a matrix, if they have the same length and hold numbers.
            matrix = np.array(array.tolist())
            return matrix if matrix.dtype.kind in "biuf" else array
    # Lists of different lengths.
    except ValueError:
        rows: Any = values
        array = np.empty(len(rows), dtype=object)
        array[:] = list(rows)
    return array


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.date):
        return value.isoformat()
    return json.dumps(value, cls=NumpyEncoder, ensure_ascii=False)
