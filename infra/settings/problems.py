"""Turn pydantic's validation errors into lines that a platform engineer can act on.

Each line names the key as the stack file spells it, the value, and the allowed values. The allowed values come from the
field's description, so the check, its message and `docs/settings.md` always agree.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_LONGEST_VALUE = 80
# Pydantic's mark for an invalid key of an object, as opposed to its value.
_OF_A_KEY = "[key]"


def describe(model: type[BaseModel], error: ValidationError, namespace: str) -> list[str]:
    """Return one line per problem in `error`, raised when `model` validated the settings of `namespace`."""
    return [_line(model, problem, namespace) for problem in error.errors(include_url=False)]


def _line(model: type[BaseModel], problem: ErrorDetails, namespace: str) -> str:
    location = problem["loc"]
    if problem["type"] == "extra_forbidden":
        *section, unknown = location
        key = _key(model, namespace, section, unknown=str(unknown))
        return f"{key}: unknown key; {_known_keys(_model_at(model, section), str(unknown))}"
    key = _key(model, namespace, location)
    field = _field_at(model, location)
    allowed = field.description if field is not None and field.description else problem["msg"]
    if problem["type"] == "missing":
        return f"{key}: not set; allowed: {allowed}"
    return f"{key}: got {_shown(problem['input'])}; allowed: {allowed}"


def _key(model: type[BaseModel], namespace: str, location: Sequence[int | str], unknown: str = "") -> str:
    """Return the key of a problem as the stack file spells it, with an `unknown` last part added as it is."""
    path = ""
    section: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != _OF_A_KEY:
            field = _by_alias(section, part) if section is not None else None
            section = _section(field) if field is not None else None
            # Pydantic locates an invalid default by the field's Python name, which the stack file doesn't use.
            path += f".{part if field is None else field.alias}"
    path += f".{unknown}" if unknown else ""
    return f"{namespace}:{path.removeprefix('.')}"


def _known_keys(model: type[BaseModel], unknown: str) -> str:
    known = [field.alias or name for name, field in model.model_fields.items()]
    close = difflib.get_close_matches(unknown, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}known keys: {', '.join(known)}"


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... ({len(text)} characters)"


def _field_at(model: type[BaseModel], location: Sequence[int | str]) -> FieldInfo | None:
    """Return the innermost field on the path to `location`: the description of a list covers its plain items."""
    found = None
    current: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int):
            continue
        field = _by_alias(current, part) if current is not None else None
        if field is None:
            break
        found = field
        current = _section(field)
    return found


def _model_at(model: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel]:
    for part in (each for each in location if isinstance(each, str)):
        field = _by_alias(model, part)
        section = _section(field) if field is not None else None
        if section is None:
            break
        model = section
    return model


def _by_alias(model: type[BaseModel], alias: str) -> FieldInfo | None:
    fields: Mapping[str, FieldInfo] = model.model_fields
    return next((field for name, field in fields.items() if alias in (name, field.alias)), None)


def _section(field: FieldInfo) -> type[BaseModel] | None:
    candidates: tuple[Any, ...] = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
