"""A model's MLflow signature as tensors of the Open Inference Protocol, and the way between both.

A column of a signature is a tensor with a row for each sample; an array in a column adds a dimension. Times are BYTES
in ISO 8601, binary values BYTES in base64, and objects BYTES in JSON. Inputs and outputs without a name are called
`input-0`, `output-0` and so on.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from mlflow.models import Model
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array

from workloads.serving.server import tensors
from workloads.serving.server.errors import RequestError
from workloads.serving.server.tensors import BYTES, Tensor

_COLUMNS: Final[Mapping[DataType, str]] = {
    DataType.boolean: "BOOL",
    DataType.integer: "INT32",
    DataType.long: "INT64",
    DataType.float: "FP32",
    DataType.double: "FP64",
}
_DATATYPES: Final = {dtype: name for name, dtype in tensors.NUMBERS.items()}

Spec = ColSpec | TensorSpec


def describe(schema: Schema | None, unnamed: str) -> list[dict[str, Any]]:
    """Return the protocol's metadata of a schema; `unnamed` is the first part of the names that it lacks."""
    specs: Sequence[Spec] = schema.inputs if schema else ()
    return [
        {"name": name, "datatype": _datatype(spec), "shape": _shape(spec)}
        for name, spec in zip(_names(specs, unnamed), specs, strict=True)
    ]


def model_input(given: Sequence[Tensor], metadata: Model) -> object:
    """Return the input of a model for the tensors of a request: a DataFrame, an array, or a dict or a list of them.

    Without a signature, tensors with one value for each row become the columns of a DataFrame; otherwise a single
    tensor is passed as an array, and several as a dict of arrays.

    Raises:
        RequestError: The names aren't the signature's, or a value can't be converted.
    """
    by_name = {tensor.name: tensor for tensor in given}
    if not given or len(by_name) != len(given):
        raise RequestError("inputs must be a list of at least one tensor, each with another name.")
    schema: Schema | None = metadata.get_input_schema()
    if schema is None:
        return _without_schema(given)
    named = _by_signature(by_name, schema)
    if schema.is_tensor_spec():
        arrays = {name: tensor.values for name, (_, tensor) in named.items()}
        return arrays if schema.has_input_names() else next(iter(arrays.values()))
    columns = {name: _column(spec, tensor) for name, (spec, tensor) in named.items()}
    _require_same_length(columns)
    if metadata._is_signature_from_type_hint():  # noqa: SLF001 - MLflow's own server asks the same
        return list(next(iter(columns.values())))
    return pd.DataFrame(columns if schema.has_input_names() else dict(enumerate(columns.values())))


def outputs(prediction: object, schema: Schema | None) -> list[Tensor]:
    """Return the tensors of a prediction, named after the signature's outputs."""
    specs: Sequence[Spec] = schema.inputs if schema else ()
    names = _names(specs, "output")
    return [tensors.of(name, values) for name, values in _parts(prediction, names).items()]


def _parts(prediction: object, names: Sequence[str]) -> Mapping[str, object]:
    """Return the outputs of a prediction by their names."""
    if isinstance(prediction, pd.DataFrame):
        columns = [prediction.iloc[:, position].to_numpy() for position in range(prediction.shape[1])]
        own = [str(column) for column in prediction.columns]
        numbered = all(isinstance(column, int) for column in prediction.columns)
        return dict(zip(names if numbered and len(names) == len(own) else own, columns, strict=True))
    if isinstance(prediction, Mapping):
        return {str(name): values for name, values in prediction.items()}
    if len(names) > 1 and isinstance(prediction, list | tuple) and len(prediction) == len(names):
        return dict(zip(names, prediction, strict=True))
    if len(names) > 1 and isinstance(prediction, np.ndarray) and prediction.shape[1:] == (len(names),):
        return dict(zip(names, prediction.T, strict=True))
    return {names[0] if len(names) == 1 else "output-0": prediction}


def _names(specs: Sequence[Spec], unnamed: str) -> list[str]:
    return [f"{unnamed}-{position}" if spec.name is None else str(spec.name) for position, spec in enumerate(specs)]


def _datatype(spec: Spec) -> str:
    if isinstance(spec, TensorSpec):
        return _DATATYPES.get(spec.type, BYTES)
    kind, _ = _element(spec.type)
    return _COLUMNS.get(kind, BYTES) if isinstance(kind, DataType) else BYTES


def _shape(spec: Spec) -> list[int]:
    return [int(size) for size in spec.shape] if isinstance(spec, TensorSpec) else [-1] * (1 + _element(spec.type)[1])


def _element(kind: object) -> tuple[object, int]:
    """Return the type of the elements of nested arrays, and how often they are nested."""
    depth = 0
    while isinstance(kind, Array):
        kind, depth = kind.dtype, depth + 1
    return kind, depth


def _by_signature(given: Mapping[str, Tensor], schema: Schema) -> dict[str, tuple[Spec, Tensor]]:
    """Return the tensors in the signature's order; those that are optional and missing are left out."""
    names = _names(schema.inputs, "input")
    if not schema.has_input_names():
        if len(given) != len(names):
            raise RequestError(f"The model takes {len(names)} inputs, got {len(given)}.")
        return dict(zip(names, zip(schema.inputs, given.values(), strict=True), strict=True))
    required = [name for name, spec in zip(names, schema.inputs, strict=True) if spec.required]
    if wrong := [*(given.keys() - set(names)), *(set(required) - given.keys())]:
        raise RequestError(f"The inputs must be {', '.join(names)}, got {', '.join(given)}: see {min(wrong)}.")
    return {name: (spec, given[name]) for name, spec in zip(names, schema.inputs, strict=True) if name in given}


def _without_schema(given: Sequence[Tensor]) -> object:
    if all(_is_column(tensor.values) for tensor in given):
        columns = {tensor.name: tensor.values.reshape(-1) for tensor in given}
        _require_same_length(columns)
        return pd.DataFrame(columns)
    return given[0].values if len(given) == 1 else {tensor.name: tensor.values for tensor in given}


def _is_column(values: np.ndarray) -> bool:
    return values.ndim == 1 or values.shape[1:] == (1,)


def _column(spec: Spec, tensor: Tensor) -> Sequence[Any] | np.ndarray:
    kind, depth = _element(spec.type)
    values = tensor.values
    if depth == 0 and _is_column(values):
        values = values.reshape(-1)
    if values.ndim != 1 + depth:
        raise RequestError(f"Input {tensor.name!r}: its shape must be {_shape(spec)}, got {list(values.shape)}.")
    if tensor.datatype == BYTES and kind != DataType.string:
        values = _converted(tensor.name, kind, values)
    return list(values) if depth else values


def _converted(name: str, kind: object, texts: np.ndarray) -> np.ndarray:
    """Return the values that the strings of a tensor stand for."""
    values = np.empty(texts.shape, dtype=object)
    values.ravel()[:] = [_value(name, kind, text) for text in texts.flat]
    return values.astype("datetime64[ns]") if kind == DataType.datetime else values


def _value(name: str, kind: object, text: str) -> object:
    try:
        if kind == DataType.binary:
            return base64.b64decode(text, validate=True)
        if kind == DataType.datetime:
            return np.datetime64(text, "ns")
        if isinstance(kind, DataType):
            raise ValueError("it is a string")
        return json.loads(text)
    # The error of base64 is a ValueError, too.
    except (ValueError, RecursionError) as error:
        raise RequestError(f"Input {name!r}: {text!r} can't be read as {kind}: {error}.") from error


def _require_same_length(columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise RequestError(f"The inputs must have the same first dimension, got {lengths}.")
