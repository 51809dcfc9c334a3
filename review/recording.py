"""Reads what the engine wrote of a preview, in either of its forms.

`pulumi preview --json` writes one document,
https://github.com/pulumi/pulumi/blob/master/pkg/display/json.go; with PULUMI_ENABLE_STREAMING_JSON_PREVIEW it writes
one event a line, https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/events.go. Only the events tell
of policies. `pulumi refresh --preview-only --json` writes the same two.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from review import engine_json
from review.engine_json import FormError, Json, RawStep, checked
from review.exits import Exit, ReviewError
from review.preview import Preview

STDIN = Path("-")
_DOCUMENT_KEYS = {"steps", "diagnostics", "changeSummary", "config"}
_STEP_EVENTS = ("resourcePreEvent", "resOutputsEvent")


def read(file: Path, stack: str | None = None) -> Preview:
    """Return the preview that a file, or `STDIN`, holds; an empty one is a preview that failed before it said anything.

    Raises:
        ReviewError: The file is missing, isn't the engine's, or is of another stack than `stack`.
    """
    try:
        preview = _parsed(_text(file))
    except OSError as error:
        raise _unusable(file, f"can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise _unusable(file, "is no text") from error
    # Python itself refuses JSON that is too deep, or has a number with too many digits.
    except (FormError, RecursionError, ValueError) as error:
        raise _unusable(file, f"isn't a preview: {error}") from error
    if not (preview.stack or stack):
        raise _unusable(file, "names no resource, and so no stack: say --stack")
    if stack and preview.stack not in ("", stack):
        raise _unusable(file, f"is of the stack {preview.stack}, and --stack says {stack}")
    return replace(preview, stack=stack or preview.stack)


def _text(file: Path) -> str:
    content = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    # Some shells begin what they write to a file with a byte order mark.
    return content.decode("utf-8-sig")


def _unusable(file: Path, reason: str) -> ReviewError:
    allowed = "allowed is what `python -m review preview` or `pulumi preview --json` writes"
    return ReviewError(f"{file} {reason}; {allowed}", Exit.USAGE)


def _parsed(text: str) -> Preview:
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return _from_events(text)
    if isinstance(document, dict) and "sequence" in document:
        return _from_events(text)
    return _from_document(checked(document, dict, "it"))


def _from_document(document: Json) -> Preview:
    if not _DOCUMENT_KEYS & document.keys():
        raise FormError(f"it is an object with {', '.join(document)[:80] or 'nothing in it'}")
    steps = [checked(each, dict, "a step") for each in checked(document.get("steps", []), list, "steps")]
    diagnostics = checked(document.get("diagnostics", []), list, "diagnostics")
    return _preview(
        [RawStep(step=each, old=each.get("oldState"), new=each.get("newState")) for each in steps],
        [checked(each, dict, "a diagnostic") for each in diagnostics],
        document.get("changeSummary"),
        succeeded="changeSummary" in document,
    )


def _from_events(text: str) -> Preview:
    # Not by `splitlines`: a value may hold other characters that end a line.
    events = [_event(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    steps = [
        checked(event[kind].get("metadata"), dict, f"the metadata of a {kind}")
        for event in events
        for kind in _STEP_EVENTS
        if kind in event
    ]
    summary = next((event["summaryEvent"] for event in events if "summaryEvent" in event), None)
    preview = _preview(
        [RawStep(step=each, old=each.get("old"), new=each.get("new")) for each in steps],
        [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event],
        (summary or {}).get("resourceChanges"),
        # Older engines give no result: an error, or a violated policy, tells that they failed.
        succeeded=summary is not None and summary.get("result", "succeeded") == "succeeded",
    )
    policies = [event["policyEvent"] for event in events if "policyEvent" in event]
    return replace(preview, violations=tuple(engine_json.violation(each) for each in policies))


def _event(number: int, line: str) -> dict[str, Any]:
    try:
        event = checked(json.loads(line), dict, f"line {number}")
    except json.JSONDecodeError as error:
        # It is not shown: a line of whatever file this is may hold a secret.
        raise FormError(f"line {number} is no JSON") from error
    if "sequence" not in event:
        raise FormError(f"line {number} is an object without a sequence number")
    for kind, payload in event.items():
        if kind.endswith("Event"):
            checked(payload, dict, f"the {kind} of line {number}")
    return event


def _preview(steps: list[RawStep], diagnostics: list[Json], summary: object, *, succeeded: bool) -> Preview:
    counts = checked(summary or {}, dict, "the summary of the changes")
    urns = [engine_json.urn(each.step) for each in steps]
    stacks = list(dict.fromkeys(each.split("::")[0].removeprefix("urn:pulumi:") for each in urns))
    if len(stacks) > 1:
        raise FormError(f"its steps are of several stacks: {', '.join(stacks)}")
    return Preview(
        stack=stacks[0] if stacks else "",
        steps=engine_json.merged(steps),
        unchanged=checked(counts.get("same", 0), int, "the number of unchanged resources"),
        # The engine repeats a reason that several resources fail for.
        errors=tuple(dict.fromkeys(engine_json.errors(diagnostics))),
        succeeded=succeeded and not any(each.get("severity") == "error" for each in diagnostics),
    )
