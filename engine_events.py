"""A reader of the Pulumi engine's events, which the engine writes as one JSON object on each line.

`pulumi --event-log FILE` writes them during an update. `pulumi preview --json` prints them if
PULUMI_ENABLE_STREAMING_JSON_PREVIEW is set. The format:
https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/events.go

Debug messages contain secrets in plain text. Keep an event log private, delete it after use, and never print its lines.

`local` and `review` both read events but may not import each other, so the reader is here. Like `contracts`, it imports
only the standard library.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

Event = Mapping[str, Any]
_Kind = TypeVar("_Kind")

STACK_TYPE: Final = "pulumi:pulumi:Stack"
# Colours as the engine writes them for its own display, and as terminals take them.
_COLOUR: Final = re.compile(r"<\{%[^%]*%\}>|\x1b\[[\d;]*m")
# The types of JSON values, by the type that Python reads them as.
_JSON_TYPES: Final[Mapping[type, str]] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


class FormError(ValueError):
    """The text isn't output of the engine. The message never quotes the text, which may hold a secret."""


def parse(line: str, number: int) -> Event:
    """Return the event on the line `number`: a sequence number, a time, and one payload such as `resourcePreEvent`.

    Raises:
        FormError: The line isn't JSON, or not in the engine's format; the message names the line by its number.
    """
    try:
        content = json.loads(line)
    # Python refuses JSON that is nested too deeply or has a number with too many digits.
    except (ValueError, RecursionError) as error:
        raise FormError(f"line {number} isn't JSON") from error
    event = checked(content, dict, f"line {number}")
    if "sequence" not in event:
        raise FormError(f"line {number} must have the key sequence")
    for kind, payload in event.items():
        if kind.endswith("Event"):
            checked(payload, dict, f"the {kind} of line {number}")
    return event


def checked(value: object, kind: type[_Kind], name: str) -> _Kind:
    """Return `value` if it has the type `kind`.

    Raises:
        FormError: It has another type.
    """
    if not isinstance(value, kind):
        raise FormError(f"{name} must be {_JSON_TYPES[kind]}, got {_JSON_TYPES[type(value)]}")
    return value


def message(payload: Mapping[str, Any]) -> str:
    """Return the message of a diagnostic or policy event without colours, with its final line break if it has one."""
    return _COLOUR.sub("", str(payload.get("message", "")))
