"""A YAML file with `${NAME:default}` for environment variables."""

import os
import re
from pathlib import Path
from typing import Any, Final

import yaml

from contracts import Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.yaml_loader import UniqueKeyLoader

# The default may contain colons, and ends at the first brace. `$${` stands for `${`.
_REFERENCE: Final = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<default>[^}]*))?\}|(?P<bad>\$\{)")
_LARGEST_BYTES: Final = 1_000_000


class Expanded(str):
    """A string in which a variable was expanded: `parsed` gives its value where no string is expected."""

    __slots__ = ()

    def parsed(self) -> Any:  # noqa: ANN401 - any YAML scalar
        """Return the string as YAML would read it: `${EPOCHS:3}` is a number."""
        try:
            value = yaml.load(self, _Loader)  # noqa: S506 - a SafeLoader
        except yaml.YAMLError:
            return str(self)
        return value if isinstance(value, int | float | bool | None) else str(self)


class _Loader(UniqueKeyLoader):
    """Reads `2e-4` as a number."""


# YAML 1.1 reads 2e-4, without a point, as text: https://yaml.org/type/float.html
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read(path: Path) -> dict[str, Any]:
    """Return the mapping in the file, with environment variables expanded.

    Raises:
        WorkloadError: The file can't be read, is not a mapping in YAML, or refers to a variable that is not set.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise cli.file_error(path, "read", error) from error
    if len(text) > _LARGEST_BYTES:
        raise WorkloadError(f"{path} must be a configuration of at most {_LARGEST_BYTES} bytes.", Exit.USAGE)
    try:
        content = yaml.load(text.decode(), _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise WorkloadError(f"{path} is not YAML: {_reason(error)}.", Exit.USAGE) from error
    if not isinstance(content, dict):
        raise WorkloadError(f"{path} must be a mapping of keys, got {_kind(content)}.", Exit.USAGE)
    try:
        return _expanded(content, "")
    except ValueError as error:
        raise WorkloadError(f"{path}: {error}.", Exit.USAGE) from error


def _expanded(value: Any, key: str) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(value, dict):
        return {name: _expanded(item, f"{key}.{name}" if key else str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item, f"{key}.{index}") for index, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    return Expanded(_REFERENCE.sub(lambda found: _value(found, key), value))


def _value(found: re.Match[str], key: str) -> str:
    if found["bad"]:
        raise ValueError(f"{key} must refer to a variable as ${{NAME}} or ${{NAME:default}}; write $${{ for plain ${{")
    if found["name"] is None:
        return "${"
    # An empty variable counts as not set, as in all our commands.
    value = os.environ.get(found["name"]) or found["default"]
    if value is None:
        raise ValueError(f"{key} needs the environment variable {found['name']}, which is not set and has no default")
    return value


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0] or type(error).__name__
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)


def _kind(value: object) -> str:
    return "an empty file" if value is None else f"a {type(value).__name__}"
