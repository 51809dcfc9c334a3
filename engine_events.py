"""The Pulumi engine's events, one JSON object a line.

`pulumi --event-log FILE` writes them while it works; `pulumi preview --json` prints them if
PULUMI_ENABLE_STREAMING_JSON_PREVIEW is set. The format:
https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/events.go

Events hold secrets: the SDK's debug messages have them in plain text. Keep an event log away from other users, delete
it when it has been read, and never print its lines.

`local` and `review` both read events and may not import each other, so the reader is here. Like `contracts`, it imports
only the standard library.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

Event = Mapping[str, Any]

STACK_TYPE: Final = "pulumi:pulumi:Stack"
# As the engine writes colours for its own display, and as a terminal takes them.
_COLOUR: Final = re.compile(r"<\{%[^%]*%\}>|\x1b\[[\d;]*m")


class EventError(ValueError):
    """A line that is not an event; the message names the line and quotes nothing of it."""


def parse(line: str, number: int) -> Event:
    """Return the event on the line `number`: a sequence number, a time, and one payload such as `resourcePreEvent`.

    Raises:
        EventError: The line is not JSON, or not in the engine's format.
    """
    try:
        event = json.loads(line)
    # Python refuses JSON that is nested too deeply or has a number with too many digits.
    except (ValueError, RecursionError) as error:
        raise EventError(f"line {number} is not JSON") from error
    if not isinstance(event, dict) or "sequence" not in event:
        raise EventError(f"line {number} is not an object with a sequence number")
    for kind, payload in event.items():
        if kind.endswith("Event") and not isinstance(payload, dict):
            raise EventError(f"the {kind} of line {number} must be an object")
    return event


def message(payload: Mapping[str, Any]) -> str:
    """Return the message of a diagnostic or policy event without colours, with its final line break if it has one."""
    return _COLOUR.sub("", str(payload.get("message", "")))
