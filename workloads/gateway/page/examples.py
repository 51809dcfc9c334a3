"""An input for a served model to start from: the example that was logged with it, or one made from its signature."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from workloads.gateway.client import failure
from workloads.gateway.errors import GatewayError, NotFoundError, TooLargeError
from workloads.gateway.manager import MLflowManager

# MLflow's names (mlflow/models/model.py, mlflow/models/utils.py).
_DESCRIPTION: Final = "MLmodel"
_SERVING: Final = "serving_input_path"
# Bytes. A larger example isn't read by anyone, and a larger description isn't MLflow's.
_LARGEST: Final = 256 << 10
_LARGEST_SHOWN: Final = 20_000
# Numbers in an example that is made.
_MOST_NUMBERS: Final = 20_000
_BY_TYPE: Final[Mapping[str, Any]] = {"string": "text", "boolean": True, "datetime": "2026-01-01T00:00:00"}
_WHOLE: Final = ("integer", "long")


async def example(mlflow: MLflowManager, model: str, version: str) -> str | None:
    """Return a JSON text for a version, or None if its files don't say what it takes.

    Raises:
        GatewayError: MLflow refuses, or doesn't answer.
    """
    try:
        described = yaml.safe_load(await _file(mlflow, model, version, _DESCRIPTION))
    except (yaml.YAMLError, UnicodeDecodeError, NotFoundError):
        return None
    if not isinstance(described, dict):
        return None
    logged = await _logged(mlflow, model, version, described)
    return logged or from_signature(described.get("signature"))


def from_signature(signature: object) -> str | None:
    """Return a JSON text with an input of zeros that fits a signature in MLflow's form, or None if none can be made."""
    inputs = signature.get("inputs") if isinstance(signature, dict) else None
    try:
        fields = json.loads(inputs) if isinstance(inputs, str) else None
        return _text(_made(fields)) if fields else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _made(fields: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if all(field["type"] == "tensor" for field in fields):
        tensors = {field.get("name"): _zeros(field["tensor-spec"]["shape"]) for field in fields}
        # A model with a single input may leave its name out.
        return {"inputs": tensors.get(None, tensors)}
    if all("name" in field for field in fields):
        values = [_value(field) for field in fields]
        return {"dataframe_split": {"columns": [field["name"] for field in fields], "data": [values]}}
    return {"inputs": [_value(field) for field in fields]}


def _value(field: Mapping[str, Any]) -> object:
    kind = field["type"]
    if kind == "array":
        return [_value(field["items"])]
    if kind == "object":
        return {name: _value(each) for name, each in field["properties"].items()}
    return _BY_TYPE.get(kind, 0 if kind in _WHOLE else 0.0)


def _zeros(shape: Sequence[int]) -> object:
    """Return zeros in a shape, whose free axes (-1) get the length 1.

    Raises:
        ValueError: They are too many.
    """
    sizes = [size if size > 0 else 1 for size in shape]
    total = 1
    for size in sizes:
        total *= size
    if total > _MOST_NUMBERS:
        raise ValueError("too large")
    made: Any = 0.0
    for size in reversed(sizes):
        made = [made] * size
    return made


async def _logged(mlflow: MLflowManager, model: str, version: str, described: Mapping[str, Any]) -> str | None:
    saved = described.get("saved_input_example_info")
    path = saved.get(_SERVING) if isinstance(saved, dict) else None
    if not isinstance(path, str):
        return None
    try:
        return _text(json.loads(await _file(mlflow, model, version, path)))
    except (ValueError, RecursionError, NotFoundError, TooLargeError):
        return None


def _text(value: object) -> str | None:
    text = json.dumps(value)
    return text if len(text) <= _LARGEST_SHOWN else None


async def _file(mlflow: MLflowManager, model: str, version: str, path: str) -> bytes:
    """Return a small file of a version.

    Raises:
        TooLargeError: It is larger than 256 KiB.
        GatewayError: MLflow refuses, or doesn't answer.
    """
    upstream = mlflow.mlflow
    answer = await upstream.ask(
        "GET",
        "/model-versions/get-artifact",
        headers=mlflow.caller.headers,
        params={"name": model, "version": version, "path": path},
        deadline=mlflow.client.deadline,
    )
    if answer.status != 200:  # noqa: PLR2004 - OK
        raise _not_found(failure(answer))
    if len(answer.body) > _LARGEST:
        raise TooLargeError(f"The file {path!r} is too large.")
    return answer.body


def _not_found(error: GatewayError) -> GatewayError:
    # MLflow answers 500 if the artifact store has no such file.
    return error if error.status < 500 else NotFoundError(error.detail)  # noqa: PLR2004 - a server's error
