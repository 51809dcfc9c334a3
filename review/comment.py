"""The comment on a pull request: verdict, complaints, and a table of the changes, within what GitHub takes."""

from collections.abc import Iterable, Sequence
from typing import Final

from review import table
from review.exits import Exit
from review.markdown import block, code, left_out, plain, row
from review.preview import Preview, Violation
from review.steps import Action, Step
from review.verdict import LABEL, Verdict

# Of a comment's body, in characters (https://github.com/orgs/community/discussions/27190); counted in bytes, so that
# it holds whatever GitHub takes for a character.
LIMIT: Final = 65_536
# For what comes after the table, and the empty lines.
_ROOM_TO_END: Final = 500
# Enough to find out what is wrong; all of it is in the log.
_MOST_ERRORS: Final = 10
_ERROR_CHARACTERS: Final = 2_000
_MOST_VIOLATIONS: Final = 30
_VIOLATION_CHARACTERS: Final = 300
_DRIFT: Final = {Action.UPDATE: "changed", Action.DELETE: "gone", Action.CREATE: "came back"}


def marker(stack: str) -> str:
    """Return the invisible last line by which the comment of a stack is found again."""
    return f"<!-- aegis review: {stack} -->"


def of_preview(preview: Preview, verdict: Verdict, commit: str = "") -> str:
    """Return the comment for a preview; `commit` is what was previewed."""
    lost = {_order(each.step): each.step for each in verdict.losses}
    others = sorted((step for step in preview.steps if _order(step) not in lost), key=_order)
    head = [verdict.headline, *_advice(preview, verdict), _counts(preview, commit)]
    return _within_limit(
        [*head, *_errors(preview), *_violations(preview.violations)],
        [
            *(table.row_of(step, step.action, bold=True) for step in lost.values()),
            *(table.row_of(step, step.action) for step in others),
        ],
        marker(preview.stack),
    )


def of_drift(preview: Preview) -> str:
    """Return the report of a refresh: what is no longer as the stack's state says."""
    steps = sorted(preview.steps, key=_order)
    if preview.failed:
        sentence = "The environment could not be read"
    else:
        sentence = f"Drifted resources: {len(steps)}" if steps else "No drift"
    headline = f"**{sentence} (stack {plain(preview.stack)})**"
    return _within_limit(
        [headline, *_errors(preview)],
        [table.row_of(step, _DRIFT.get(step.action, step.action), bold=step.action is Action.DELETE) for step in steps],
        marker(preview.stack),
    )


def _order(step: Step) -> tuple[int, str]:
    return list(Action).index(step.action), step.urn


def _advice(preview: Preview, verdict: Verdict) -> list[str]:
    """Return what to do about the verdict."""
    advice = []
    if verdict.code is Exit.DATA_LOSS:
        advice.append(
            "What these hold would be lost. If that is meant, back it up and label the pull request "
            f"{code(LABEL)}; until then this check fails."
        )
    elif verdict.losses:
        advice.append(f"What these hold would be lost; {code(LABEL)} allows it.")
    if preview.failed and not preview.errors and not preview.violations:
        advice.append("The preview failed without saying why: see its log.")
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
    ordered = sorted(violations, key=lambda each: not each.mandatory)
    shown = ordered[:_MOST_VIOLATIONS]
    lines = [row(["Policy", "Resource", "What it says"]), row(["---"] * 3), *(_violation_row(each) for each in shown)]
    return ["\n".join(lines), *left_out(len(ordered) - len(shown), "violation")]


def _violation_row(violation: Violation) -> str:
    name = code(violation.policy)
    resource = violation.urn.split("::", 3)[-1]
    text = plain(violation.message[:_VIOLATION_CHARACTERS])
    return row([f"**{name} (mandatory)**" if violation.mandatory else name, code(resource), text])


def _within_limit(head: Iterable[str], rows: Sequence[str], last: str) -> str:
    """Join the parts; rows that don't fit are counted instead."""
    opening = _clipped("\n\n".join(head), LIMIT - _ROOM_TO_END)
    if not rows:
        return f"{opening}\n\n{last}\n"
    room = LIMIT - _ROOM_TO_END - sum(_size(part) for part in (opening, *table.HEADING))
    fitting = 0
    for each in rows:
        room -= _size(each)
        if room < 0:
            break
        fitting += 1
    rest = left_out(len(rows) - fitting, "change")
    return "\n\n".join([opening, "\n".join([*table.HEADING, *rows[:fitting]]), *rest, last]) + "\n"


def _clipped(text: str, most: int) -> str:
    """Cut text that is longer than any that people write."""
    return text if _size(text) <= most else text.encode()[:most].decode(errors="ignore")


def _size(text: str) -> int:
    return len(text.encode()) + 1
