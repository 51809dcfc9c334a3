"""The table of what changes, one row for each resource."""

from typing import Final

from review import confidential, values
from review.markdown import code, left_out, row
from review.steps import Difference, Step

HEADING: Final = (row(["Change", "Resource", "Type", "What changes"]), row(["---"] * 4))
_MOST_DIFFERENCES: Final = 10


def row_of(step: Step, action: str, *, bold: bool = False) -> str:
    """Return the row of a step, with what happens to the resource in the words of `action`."""
    cells = [action, code(step.name)]
    if bold:
        cells = [f"**{cell}**" for cell in cells]
    return row([*cells, code(step.type), _changes(step)])


def _changes(step: Step) -> str:
    # What forces a replacement first.
    ordered = sorted(step.differences.items(), key=lambda item: (not item[1].replaces, item[0]))
    shown = [_change(step, path, difference) for path, difference in ordered[:_MOST_DIFFERENCES]]
    return "<br>".join([*shown, *left_out(len(ordered) - len(shown), "difference")])


def _change(step: Step, path: str, difference: Difference) -> str:
    old, new = _sides(step, path, difference)
    forces = " (forces the replacement)" if difference.replaces else ""
    return f"{code(path)}: {code(values.shown(old))} → {code(values.shown(new))}{forces}"


def _sides(step: Step, path: str, difference: Difference) -> tuple[object, object]:
    trees = (step.old.inputs, step.new.inputs, step.old.outputs, step.new.outputs)
    sides = [values.at(tree, path) for tree in trees]
    # What is a secret on one side is one on all: it became one, or ends to be one, or only the provider says so.
    entries = [values.around(tree, path) for tree in trees]
    old, new, there, found = (
        confidential.shown(step.type, path, values.blinded(side, sides), entry)
        for side, entry in zip(sides, entries, strict=True)
    )
    if difference.of_inputs:
        return old, new
    # What is there differs from what the program asks for or, in a refresh, from what was there.
    return there, found if new in (None, there) else new
