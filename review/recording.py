"""A reader of recorded previews, in both forms that the engine writes.

`pulumi preview --json` writes one document: https://github.com/pulumi/pulumi/blob/master/pkg/display/json.go
With PULUMI_ENABLE_STREAMING_JSON_PREVIEW it writes one event on each line:
https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/events.go
Only the events report policies. `pulumi refresh --preview-only --json` has the same two forms.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import engine_events
from engine_events import FormError, checked
from review import engine_json
from review.engine_json import Json, RawStep
from review.exits import Exit, ReviewError
from review.preview import Preview

STDIN = Path("-")
_DOCUMENT_KEYS = ("steps", "diagnostics", "changeSummary", "config")
_STEP_EVENTS = ("resourcePreEvent", "resOutputsEvent")


def read(file: Path, stack: str | None = None) -> Preview:
    """Return the preview in a file or `STDIN`. An empty file is a preview that failed before its first output.

    Raises:
        ReviewError: The file can't be read, isn't output of the engine, or is of a stack other than `stack`.
    """
    try:
        preview = _parsed(_text(file))
    except OSError as error:
        raise _unusable(file, f"can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise _unusable(file, "isn't UTF-8 text") from error
    # Python refuses JSON that is nested too deeply, and numbers with too many digits.
    except (FormError, RecursionError, ValueError) as error:
        raise _unusable(file, f"isn't a preview: {error}") from error
    if not (preview.stack or stack):
        raise _unusable(file, "names no resource and therefore no stack: give --stack")
    if stack and preview.stack not in ("", stack):
        raise _unusable(file, f"must be of the stack {stack} (--stack), got {preview.stack}")
    return replace(preview, stack=stack or preview.stack)


def _text(file: Path) -> str:
    content = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    # Some shells start a file with a byte order mark.
    return content.decode("utf-8-sig")


def _unusable(file: Path, reason: str) -> ReviewError:
    allowed = "give the output of `python -m review preview` or `pulumi preview --json`"
    return ReviewError(f"{file} {reason}; {allowed}", Exit.USAGE)


def _parsed(text: str) -> Preview:
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return _from_events(text)
    if isinstance(document, dict) and "sequence" in document:
        return _from_events(text)
    return _from_document(checked(document, dict, "the document"))


def _from_document(document: Json) -> Preview:
    if document.keys().isdisjoint(_DOCUMENT_KEYS):
        keys = ", ".join(document)[:80] or "none"
        raise FormError(f"the document must have one of the keys {', '.join(_DOCUMENT_KEYS)}, got {keys}")
    steps = [checked(step, dict, "a step") for step in checked(document.get("steps", []), list, "steps")]
    diagnostics = checked(document.get("diagnostics", []), list, "diagnostics")
    return _preview(
        [RawStep(step=step, old=step.get("oldState"), new=step.get("newState")) for step in steps],
        [checked(diagnostic, dict, "a diagnostic") for diagnostic in diagnostics],
        document.get("changeSummary"),
        succeeded="changeSummary" in document,
    )


def _from_events(text: str) -> Preview:
    # Not `splitlines`: it also splits at other characters, which a value may hold.
    events = [engine_events.parse(line, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    steps = [
        checked(event[kind].get("metadata"), dict, f"the metadata of a {kind}")
        for event in events
        for kind in _STEP_EVENTS
        if kind in event
    ]
    summary = next((event["summaryEvent"] for event in events if "summaryEvent" in event), None)
    preview = _preview(
        [RawStep(step=step, old=step.get("old"), new=step.get("new")) for step in steps],
        [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event],
        (summary or {}).get("resourceChanges"),
        # Older engines give no result. An error or a violated policy then marks a failure.
        succeeded=summary is not None and summary.get("result", "succeeded") == "succeeded",
    )
    policies = [event["policyEvent"] for event in events if "policyEvent" in event]
    return replace(preview, violations=tuple(map(engine_json.violation, policies)))


def _preview(steps: list[RawStep], diagnostics: list[Json], summary: object, *, succeeded: bool) -> Preview:
    counts = checked(summary or {}, dict, "the summary of the changes")
    urns = [engine_json.urn(raw.step) for raw in steps]
    stacks = list(dict.fromkeys(urn.split("::")[0].removeprefix("urn:pulumi:") for urn in urns))
    if len(stacks) > 1:
        raise FormError(f"the steps must be of one stack, got {', '.join(stacks)}")
    return Preview(
        stack=stacks[0] if stacks else "",
        steps=engine_json.merged(steps),
        unchanged=checked(counts.get("same", 0), int, "the number of unchanged resources"),
        # The engine repeats an error that several resources share.
        errors=tuple(dict.fromkeys(engine_json.errors(diagnostics))),
        succeeded=succeeded and not any(diagnostic.get("severity") == "error" for diagnostic in diagnostics),
    )
