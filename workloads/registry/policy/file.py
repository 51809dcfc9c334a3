"""Read a policy file strictly: a problem is told by the key's path, what was given and what is allowed."""

import difflib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from contracts import Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.registry.policy.schema import PolicyFile
from workloads.yaml_loader import UniqueKeyLoader

# In bytes: what a ConfigMap can hold, https://kubernetes.io/docs/concepts/configuration/configmap/.
_LARGEST: Final = 1 << 20
_LONGEST_VALUE: Final = 80
# Pydantic's marks for an invalid key of an object, and for a check of a whole object.
_OF_A_KEY: Final = "[key]"
_OF_AN_OBJECT: Final = "value_error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A policy: its name, the SHA-256 in hex of its file, its content, and the folder of its file."""

    name: str
    digest: str
    content: PolicyFile
    folder: Path


def load(path: Path) -> Policy:
    """Return the policy in the file at `path`.

    Raises:
        WorkloadError: It can't be read, isn't YAML, or has a problem; the message lists all problems (`Exit.USAGE`).
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise cli.file_error(path, "read", error) from error
    if len(content) > _LARGEST:
        raise _refusal(path, f"a policy has at most {_LARGEST >> 20} MiB")
    fields = _parse(path, content)
    try:
        policy = PolicyFile.model_validate(fields)
    except ValidationError as error:
        raise _refusal(path, "; ".join(_line(each) for each in error.errors(include_url=False))) from error
    return Policy(
        name=policy.name or path.stem,
        digest=hashlib.sha256(content).hexdigest(),
        content=policy,
        folder=path.resolve().parent,
    )


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        fields = yaml.load(content.decode(), Loader=UniqueKeyLoader)  # noqa: S506 - a subclass of SafeLoader
    # An unhashable key raises TypeError, a number that is too long ValueError.
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError, RecursionError) as error:
        raise _refusal(path, f"it isn't YAML: {error}") from error
    if not isinstance(fields, dict):
        raise _refusal(path, f"it must be an object with the keys {', '.join(PolicyFile.model_fields)}")
    return fields


def _refusal(path: Path, reason: str) -> WorkloadError:
    return WorkloadError(f"{path} is not a valid policy: {reason}", Exit.USAGE)


def _line(problem: ErrorDetails) -> str:
    location = problem["loc"]
    key = ".".join(str(part) for part in location if part != _OF_A_KEY)
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; {_known_keys(location)}"
    if problem["type"] == _OF_AN_OBJECT and isinstance(problem["input"], dict):
        allowed = problem["msg"].removeprefix("Value error, ")
        return f"{key or 'the file'}: got {_shown(problem['input'])}; allowed: {allowed}"
    field = _field_at(location)
    allowed = field.description if field is not None and field.description else problem["msg"]
    if problem["type"] == "missing":
        return f"{key}: not set; allowed: {allowed}"
    return f"{key}: got {_shown(problem['input'])}; allowed: {allowed}"


def _known_keys(location: Sequence[int | str]) -> str:
    *parents, unknown = location
    field = _field_at(parents)
    section = (_section(field) if field is not None else None) or PolicyFile
    close = difflib.get_close_matches(str(unknown), section.model_fields, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}known keys: {', '.join(section.model_fields)}"


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... ({len(text)} characters)"


def _field_at(location: Sequence[int | str]) -> FieldInfo | None:
    """Return the innermost field on the path to `location`; the keys and places of a collection have none."""
    found = None
    section: type[BaseModel] | None = PolicyFile
    for part in location:
        field = section.model_fields.get(str(part)) if section is not None else None
        if field is not None:
            found, section = field, _section(field)
    return found


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """Return the section that a field holds: itself, or as None's alternative, or as the value of an object."""
    pending: list[Any] = [field.annotation]
    while pending:
        kind = pending.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        pending += get_args(kind)
    return None
