"""A JSON object as the bytes that MLflow sent, parsed only if somebody looks inside."""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from workloads.gateway.errors import UpstreamError


class _MissingError(UpstreamError, KeyError):
    """A member is missing: a failure of MLflow for those who need it, and a KeyError for `get`."""


class Document(Mapping[str, Any]):
    """A JSON object; `body` is its text. The API passes the text on, and a program uses it like a dictionary."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "Document":
        """Return the document of `value`."""
        return cls(json.dumps(value).encode())

    def with_list(self, name: str) -> "Document":
        """Return the document with the list `name`, which MLflow leaves out if it is empty."""
        if f'"{name}"'.encode() in self.body:
            return self
        return Document.of({name: [], **self})

    @cached_property
    def _value(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise UpstreamError("MLflow's answer is not JSON.") from error
        if not isinstance(value, dict):
            raise UpstreamError("MLflow's answer is not a JSON object.")
        return value

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - any JSON value
        try:
            return self._value[name]
        except KeyError:
            raise _MissingError(f"MLflow's answer has no {name!r}.") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._value)

    def __len__(self) -> int:
        return len(self._value)
