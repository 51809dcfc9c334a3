"""The comment on a pull request: verdict, errors, violations and a table of the changes, within GitHub's size limit."""

from collections.abc import Iterable, Sequence
from typing import Final

from review import confidential, values
from review.exits import Exit
from review.markdown import block, code, left_out, plain, row
from review.preview import Action, Difference, Preview, Step, Violation
from review.verdict import LABEL, Verdict

# The most characters of a comment's body (https://github.com/orgs/community/discussions/27190). Counted in bytes, which
# is safe however GitHub counts characters.
LIMIT: Final = 65_536
# For the lines after the table, and the empty lines.
_ROOM_TO_END: Final = 500
# Enough to find the cause. The log has all of them.
_MOST_ERRORS: Final = 10
_ERROR_CHARACTERS: Final = 2_000
_MOST_VIOLATIONS: Final = 30
_VIOLATION_CHARACTERS: Final = 300
_MOST_DIFFERENCES: Final = 10
_HEADING: Final = (row(["Change", "Resource", "Type", "What changes"]), row(["---"] * 4))
_DRIFT: Final = {Action.UPDATE: "changed", Action.DELETE: "gone", Action.CREATE: "came back"}


def marker(stack: str) -> str:
    """Return the invisible last line that identifies the comment of a stack."""
    return f"<!-- aegis review: {stack} -->"


def of_preview(preview: Preview, verdict: Verdict, commit: str = "") -> str:
    """Return the comment for a preview of `commit`."""
    lost = {_order(loss.step): loss.step for loss in verdict.losses}
    others = sorted((step for step in preview.steps if _order(step) not in lost), key=_order)
    head = [verdict.headline, *_advice(preview, verdict), _counts(preview, commit)]
    return _within_limit(
        [*head, *_errors(preview), *_violations(preview.violations)],
        [
            *(_row(step, step.action, bold=True) for step in lost.values()),
            *(_row(step, step.action) for step in others),
        ],
        marker(preview.stack),
    )


def of_drift(preview: Preview) -> str:
    """Return the report of a refresh: the resources that differ from the stack's state."""
    steps = sorted(preview.steps, key=_order)
    if preview.failed:
        sentence = "The environment could not be read"
    else:
        sentence = f"Drifted resources: {len(steps)}" if steps else "No drift"
    headline = f"**{sentence} (stack {plain(preview.stack)})**"
    return _within_limit(
        [headline, *_errors(preview)],
        [_row(step, _DRIFT.get(step.action, step.action), bold=step.action is Action.DELETE) for step in steps],
        marker(preview.stack),
    )


def _order(step: Step) -> tuple[int, str]:
    return list(Action).index(step.action), step.urn


def _advice(preview: Preview, verdict: Verdict) -> list[str]:
    """Return what to do about the verdict."""
    advice = []
    if verdict.code is Exit.DATA_LOSS:
        advice.append(
            "The data in these would be lost. If you mean to lose it, make a backup and label the pull request "
            f"{code(LABEL)}. Until then this check fails."
        )
    elif verdict.losses:
        advice.append(f"The data in these would be lost; {code(LABEL)} allows it.")
    if preview.failed and not preview.errors and not preview.violations:
        advice.append("The preview failed without an error message: see its log.")
    elif preview.failed and verdict.losses:
        advice.append("The preview failed as well.")
    return advice


def _counts(preview: Preview, commit: str) -> str:
    counted = [f"{action} {preview.count(action)}" for action in Action]
    of_commit = f" Preview of {code(commit)}." if commit else ""
    return f"{', '.join(counted)}, unchanged {preview.unchanged}.{of_commit}"


def _errors(preview: Preview) -> list[str]:
    shown = [block(error, _ERROR_CHARACTERS) for error in preview.errors[:_MOST_ERRORS]]
    return [*shown, *left_out(len(preview.errors) - len(shown), "error")]


def _violations(violations: Sequence[Violation]) -> list[str]:
    if not violations:
        return []
    # Those that stop the update first.
    ordered = sorted(violations, key=lambda violation: not violation.mandatory)
    shown = ordered[:_MOST_VIOLATIONS]
    lines = [row(["Policy", "Resource", "Message"]), row(["---"] * 3), *map(_violation_row, shown)]
    return ["\n".join(lines), *left_out(len(ordered) - len(shown), "violation")]


def _violation_row(violation: Violation) -> str:
    name = code(violation.policy)
    resource = violation.urn.split("::", 3)[-1]
    text = plain(violation.message[:_VIOLATION_CHARACTERS])
    return row([f"**{name} (mandatory)**" if violation.mandatory else name, code(resource), text])


def _row(step: Step, action: str, *, bold: bool = False) -> str:
    """Return the row of a step; `action` is its first cell."""
    cells = [action, code(step.name)]
    if bold:
        cells = [f"**{cell}**" for cell in cells]
    return row([*cells, code(step.type), _changes(step)])


def _changes(step: Step) -> str:
    # Properties that force a replacement first.
    ordered = sorted(step.differences.items(), key=lambda item: (not item[1].replaces, item[0]))
    shown = [_change(step, path, difference) for path, difference in ordered[:_MOST_DIFFERENCES]]
    return "<br>".join([*shown, *left_out(len(ordered) - len(shown), "difference")])


def _change(step: Step, path: str, difference: Difference) -> str:
    old, new = _sides(step, path, difference)
    forces = " (forces the replacement)" if difference.replaces else ""
    return f"{code(path)}: {code(values.shown(old))} → {code(values.shown(new))}{forces}"


def _sides(step: Step, path: str, difference: Difference) -> tuple[object, object]:
    """Return the old and the new value of a property, without secrets."""
    trees = (step.old.inputs, step.new.inputs, step.old.outputs, step.new.outputs)
    sides = [values.at(tree, path) for tree in trees]
    # A secret on one side is a secret on all sides: the mark may be new, or gone, or only the provider's.
    entries = [values.around(tree, path) for tree in trees]
    old_input, new_input, old_output, new_output = (
        confidential.shown(step.type, path, values.blinded(side, sides), entry)
        for side, entry in zip(sides, entries, strict=True)
    )
    if difference.of_inputs:
        return old_input, new_input
    # The output differs from the program's input or, in a refresh, from the output in the state.
    return old_output, new_output if new_input in (None, old_output) else new_input


def _within_limit(head: Iterable[str], rows: Sequence[str], last: str) -> str:
    """Join the parts, with a count in place of the rows that don't fit."""
    opening = _clipped("\n\n".join(head), LIMIT - _ROOM_TO_END)
    if not rows:
        return f"{opening}\n\n{last}\n"
    room = LIMIT - _ROOM_TO_END - sum(_size(part) for part in (opening, *_HEADING))
    fitting = 0
    for line in rows:
        room -= _size(line)
        if room < 0:
            break
        fitting += 1
    rest = left_out(len(rows) - fitting, "change")
    return "\n\n".join([opening, "\n".join([*_HEADING, *rows[:fitting]]), *rest, last]) + "\n"


def _clipped(text: str, most: int) -> str:
    """Return at most `most` bytes of a text."""
    return text if _size(text) <= most else text.encode()[:most].decode(errors="ignore")


def _size(text: str) -> int:
    return len(text.encode()) + 1
