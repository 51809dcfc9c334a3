"""The inputs of all resources in an installed Pulumi SDK, read from its source with regular expressions.

That works because the files are generated in a uniform format. Importing them would take minutes, and parsing them with
`ast` half a minute.
"""

import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_TOKEN: Final = re.compile(
    r'^@pulumi\.type_token\("([^"]+)"\)\nclass (\w+)\(pulumi\.(?:Custom|Component)Resource\)', re.MULTILINE
)
_CLASS: Final = re.compile(r"^@pulumi\.input_type\nclass (\w+):", re.MULTILINE)
_PROPERTY: Final = re.compile(
    r'    @pulumi\.getter(?:\(name="(\w+)"\))?\n(?:    @.*\n)*    def (\w+)\(self\) -> (.*):$', re.MULTILINE
)
_SECRET: Final = re.compile(r"additional_secret_outputs=\[(.*?)\]")
_IGNORED: Final = ("outputs.py", "_enums.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class SdkType:
    """A resource type: its inputs with their annotated types, and its secret properties."""

    inputs: Mapping[str, str]
    secrets: frozenset[str]


@cache
def types_of(package: str) -> Mapping[str, SdkType]:
    """Return the resource types of a package such as `pulumi_aws`, by token."""
    return {token: found for text in _sources(package) for token, found in _types(text)}


@cache
def nested_of(package: str) -> Mapping[str, Mapping[str, str]]:
    """Return the properties of the package's nested input classes, by class name without the module."""
    return {name: properties for text in _sources(package) for name, properties in _inputs(text).items()}


def _types(text: str) -> Iterator[tuple[str, SdkType]]:
    inputs: dict[str, dict[str, str]] | None = None
    for token, name in _TOKEN.findall(text):
        inputs = _inputs(text) if inputs is None else inputs
        found = inputs.get(f"{name}InitArgs") or inputs.get(f"{name}Args") or {}
        secrets = re.findall(r'"(\w+)"', "".join(_SECRET.findall(text)))
        yield token, SdkType(inputs=found, secrets=frozenset(secrets))


def _inputs(text: str) -> dict[str, dict[str, str]]:
    _, *parts = _CLASS.split(text)
    return {name: _properties(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _properties(text: str) -> dict[str, str]:
    own = text.split("\n@pulumi.", maxsplit=1)[0]
    return {wire or name: annotation for wire, name, annotation in _PROPERTY.findall(own)}


@cache
def _sources(package: str) -> tuple[str, ...]:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    files = sorted(Path(spec.origin).parent.rglob("*.py"))
    return tuple(file.read_text() for file in files if file.name not in _IGNORED and not file.name.startswith("get_"))
