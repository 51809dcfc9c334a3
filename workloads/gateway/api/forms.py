"""The forms of names and values, with the limits of MLflow and of its database.

They are as strict as MLflow, so that MLflow never refuses what the OpenAPI document allows. The patterns are Python's,
as MLflow's own are.
"""

import re
from typing import Annotated, Any, Final

from fastapi import Header, Path, Query
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from workloads.gateway import artifact_path

# The pages of MLflow's registry have at most 1,000 entries, those of experiments at most 50,000.
MOST_RESULTS: Final = 1000
_MOST_TAGS: Final = 100
_KEY: Final = r"^(?!.*/\.{0,2}(/|$))(?![/.])[/\w.\- :]{1,250}$"
_BLANKS: Final = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_MODEL: Final = rf"^[^/:'\"\\`.{_BLANKS}][^/:'\"\\`\x00-\x1f\x7f]{{0,249}}$"
_TEXT: Final = r"^[^\x00]*$"
# Without control characters; a host in ASCII, because not every Unicode text can be the host of an address.
_SOURCE: Final = r"^(?![^/]*//[^/]*[^ -Z^-~\\/])[^\x00-\x1f\x7f]{1,500}$"
_HALF: Final = re.compile("[\ud800-\udfff]")
# The whole numbers that every reader of JSON keeps exactly (RFC 8259, section 6).
_EXACT: Final = 1 << 53
# JSON Schema's constraint of the names of members, which pydantic doesn't write.
_KEYS: Final[dict[str, Any]] = {"propertyNames": {"pattern": _KEY, "minLength": 1, "maxLength": 250}}


def _matching(pattern: str, allowed: str, *, longest: int, shortest: int = 1) -> tuple[AfterValidator, WithJsonSchema]:
    """Return the check and the schema of a text."""
    compiled = re.compile(pattern.removesuffix("$"), re.DOTALL)

    def check(text: str) -> str:
        # JSON can have half a character, which has no bytes.
        if _HALF.search(text):
            raise ValueError("must be Unicode, without lone surrogates")
        if not shortest <= len(text) <= longest or not compiled.fullmatch(text):
            raise ValueError(f"must be {allowed}")
        return text

    schema = {"type": "string", "minLength": shortest, "maxLength": longest, "pattern": pattern}
    return AfterValidator(check), WithJsonSchema(schema)


def _text(longest: int, shortest: int = 0) -> tuple[AfterValidator, WithJsonSchema]:
    return _matching(_TEXT, f"{shortest} to {longest} characters, without NUL", longest=longest, shortest=shortest)


def _as_text(value: object) -> object:
    """Return a number or a boolean as text, as MLflow's client does."""
    if not isinstance(value, str | bool | int | float):
        raise ValueError("must be a text, a number or a boolean")
    return str(value)


def _scalar(longest: int) -> tuple[Any, ...]:
    check, _ = _text(longest)
    text = {"type": "string", "maxLength": longest, "pattern": _TEXT}
    return BeforeValidator(_as_text), check, WithJsonSchema({"anyOf": [text, {"type": "number"}, {"type": "boolean"}]})


def _idempotency_key(text: str | None) -> str | None:
    if text is not None and not re.fullmatch("[!-~]{1,255}", text):
        raise ValueError("must be 1 to 255 ASCII characters without blanks")
    return text


def keyed(most: int) -> Any:  # noqa: ANN401 - pydantic has no public type for it
    """Return the constraint of an object with at most `most` members whose names are keys."""
    return Field(max_length=most, json_schema_extra=_KEYS)


def _whole(value: object) -> object:
    """Return a whole number, which may be written as 3.0 in JSON, but not as a text or a boolean."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return value


_key = _matching(
    _KEY,
    "1 to 250 letters, digits, and characters of _ - . / : and blank, as a relative path",
    longest=250,
)
_model = _matching(
    _MODEL,
    "1 to 250 characters without / : \\ quotes and control characters, and begin with neither a dot nor a blank",
    longest=250,
)
_run = _matching(r"^[a-zA-Z0-9][a-zA-Z0-9_\-]{0,31}$", "1 to 32 letters, digits, - and _", longest=32)
_path = _matching(artifact_path.PATTERN, artifact_path.ALLOWED, longest=artifact_path.LONGEST)
_source = _matching(
    _SOURCE, "1 to 500 characters without control characters, with a host in ASCII without brackets", longest=500
)
_version = _matching(r"^[1-9][0-9]{0,8}$", "a positive whole number of at most 9 digits", longest=9)
_experiment = _matching(r"^[0-9]{1,9}$", "a whole number of at most 9 digits", longest=9)
_alias = _matching(
    r"^(?![vV][0-9]+$)(?![lL][aA][tT][eE][sS][tT]$)[a-zA-Z0-9_\-]{1,255}$",
    "1 to 255 letters, digits, - and _, not `latest` or a number after v",
    longest=255,
)

# After the limits, or pydantic would leave them out of the schema.
WHOLE: Final = BeforeValidator(_whole)
Key = Annotated[str, *_key]
TagValue = Annotated[str, *_scalar(5000)]
Tags = Annotated[dict[Key, TagValue], keyed(_MOST_TAGS)]
ParamValue = Annotated[str, *_scalar(6000)]
Name = Annotated[str, *_text(250, 1)]
Description = Annotated[str, *_text(5000)]
Source = Annotated[str, *_source]
ModelName = Annotated[str, *_model]
Alias = Annotated[str, *_alias]
Version = Annotated[str, *_version]
RunIdText = Annotated[str, *_run]
Step = Annotated[int, Field(ge=-_EXACT, le=_EXACT), WHOLE]
Milliseconds = Annotated[int, Field(ge=0, le=_EXACT), WHOLE]

ExperimentId = Annotated[str, Path(examples=["1"]), *_experiment]
RunId = Annotated[str, Path(examples=["5d1cb0d2ba4c4f5aa0c0f4d6a8e4d0b1"]), *_run]
ModelNameInPath = Annotated[str, Path(examples=["digits"]), *_model]
VersionInPath = Annotated[str, Path(examples=["1"]), *_version]
MaxResults = Annotated[int, Query(ge=1, le=MOST_RESULTS, description="The most entries of the page.")]
PageToken = Annotated[
    str | None, Query(min_length=1, max_length=1000, description="The `next_page_token` of the page before.")
]
FilePath = Annotated[str, Path(examples=["model/MLmodel"]), *_path]
ArtifactPath = Annotated[
    Annotated[str, *_path] | None,
    Query(
        description="A path below the run's artifacts: of a folder to list or for the files of a form, or of the one "
        "file that the body is.",
        examples=["model"],
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Sent again with the same body, the request returns what the first one created. A UUID, or another "
        "text that no other request has.",
    ),
    AfterValidator(_idempotency_key),
    WithJsonSchema({"type": "string", "pattern": "^[!-~]{1,255}$"}),
]
