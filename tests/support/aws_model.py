"""Validation of AWS calls against the service models in botocore."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

# botocore generates the attributes of its models at run time.
Model = Any

_SESSION = botocore.session.Session()
# Python's patterns don't support these character classes.
_CLASSES = re.compile(r"\\p\{")


def breaches(service: str, operation: str, arguments: Mapping[str, Any]) -> list[str]:
    """Return the violations in a call: names, types, enumerations, patterns, lengths and ranges."""
    shape: Model = _model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(arguments, shape)
    if report.has_errors():
        return [f"{service} {operation}: {report.generate_report()}"]
    return [f"{service} {operation}{where}" for where in _values(shape, arguments)]


def _model(service: str) -> Model:
    return _SESSION.get_service_model(service)


def _values(shape: Model, value: Any) -> Iterator[str]:
    yield from _limits(shape, value)
    if shape.type_name == "structure":
        members = [(f".{name}", shape.members[name], each) for name, each in value.items()]
    elif shape.type_name == "list":
        members = [("[]", shape.member, each) for each in value]
    elif shape.type_name == "map":
        members = [
            (f"[{key}]", inner, each) for key in value for inner, each in ((shape.key, key), (shape.value, value[key]))
        ]
    else:
        members = []
    for name, inner, each in members:
        yield from (f"{name}{where}" for where in _values(inner, each))


def _limits(shape: Model, value: Any) -> Iterator[str]:
    if shape.type_name == "string":
        pattern = shape.metadata.get("pattern", "")
        if shape.enum and value not in shape.enum:
            yield f" must be one of {', '.join(shape.enum)}, got {value!r}"
        if pattern and not _CLASSES.search(pattern) and not re.fullmatch(pattern, value):
            yield f" must match {pattern}, got {value!r}"
    size = len(value) if shape.type_name in ("string", "list", "map") else value
    if isinstance(size, int) and not shape.metadata.get("min", size) <= size <= shape.metadata.get("max", size):
        yield f" must be {shape.metadata.get('min')} to {shape.metadata.get('max')}, got {value!r}"


class Recorder:
    """An AWS that accepts every call, finds nothing, and records the violations of its models."""

    region = "us-west-2"
    seconds = 0

    def __init__(self) -> None:
        self.breaches: list[str] = []
        self.operations: set[str] = set()

    def client(self, service: str) -> "_Client":
        """Return a client of a service."""
        return _Client(self, service)

    def wait(self, *_: object, **__: object) -> None:
        """Return immediately."""


class _Answer(dict[str, Any]):
    """A response in which every key exists but is empty."""

    def __missing__(self, _key: str) -> "_Answer":
        return _Answer()

    def __getitem__(self, key: Any) -> Any:
        return self.__missing__(key)


class _Client:
    def __init__(self, recorder: Recorder, service: str) -> None:
        self._recorder = recorder
        self._service = service
        self._operations = {xform_name(name): name for name in _model(service).operation_names}

    def __getattr__(self, method: str) -> Callable[..., _Answer]:
        operation = self._operations[method]

        def call(**arguments: Any) -> _Answer:
            if operation == "HeadBucket":
                raise ClientError({"Error": {"Code": "404"}}, operation)
            self._recorder.operations.add(f"{self._service} {operation}")
            self._recorder.breaches += breaches(self._service, operation, arguments)
            return _Answer()

        return call
