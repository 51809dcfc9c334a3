"""Write `docs/settings.md`, the reference of every setting, from the types that check them.

`python -m infra.settings.reference` writes it; with `--check` it only reports whether the file is current.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.settings.model import Settings

PATH = Path(__file__).resolve().parents[2] / "docs" / "settings.md"

_HEAD = """# Settings

All settings of a stack file, `stacks/Pulumi.<environment>.yaml`, under `config:` with the prefix `aegis:`. A preview
fails on an unknown key, a wrong type, a value out of range, or settings that conflict. A required setting must be set
if its section is. `make settings` generates this file from the types in `infra`.
"""


def text() -> str:
    """Return the reference as Markdown."""
    return "\n".join(
        [_HEAD, *(line for name, field in Settings.model_fields.items() for line in _section(name, field))]
    )


def _section(name: str, field: FieldInfo) -> Iterator[str]:
    model = _model(field)
    key = f"aegis:{field.alias or name}"
    yield f"## {key}\n"
    yield f"{_sentence(model)} Allowed: {field.description}.\n"
    yield "| setting | default | allowed |"
    yield "| --- | --- | --- |"
    yield from _rows(model, "")
    yield ""


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        yield f"| `{key}` | {_default(field)} | {(field.description or '').replace('|', '&#124;')} |"
        inner = _model_or_none(field)
        if inner is not None:
            yield from _rows(inner, f"{key}.")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, BaseModel):
        return "the defaults below"
    return "none" if field.default is None else f"`{_shown(field.default)}`"


def _shown(value: Any) -> str:  # noqa: ANN401 - a default of any setting
    return value if isinstance(value, str) else json.dumps(value)


def _sentence(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _model(field: FieldInfo) -> type[BaseModel]:
    model = _model_or_none(field)
    if model is None:
        raise TypeError(f"{field} isn't a section.")
    return model


def _model_or_none(field: FieldInfo) -> type[BaseModel] | None:
    kinds = [field.annotation]
    while kinds:
        kind = kinds.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        kinds += get_args(kind)
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Write the reference, or check that it is current; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.settings.reference", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="only check: exit with 1 if docs/settings.md isn't current"
    )
    arguments = parser.parse_args(argv)
    if not arguments.check:
        PATH.write_text(text())
        return 0
    if PATH.exists() and PATH.read_text() == text():
        return 0
    print(f"docs/{PATH.name} isn't current: run `make settings`.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
