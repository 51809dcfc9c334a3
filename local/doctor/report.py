"""The results for people and for programs, and the exit code."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from contracts import Exit
from local.doctor.verdict import Result, Severity, State


def line(result: Result, width: int) -> str:
    """Return a result as text: one line, and for a problem a second one with the remedy."""
    evidence = f" ({result.evidence})" if result.evidence else ""
    text = _row(result.state, f"{result.check:{width}}", f"{result.detail}{evidence}")
    return f"{text}\n{_row('', ' ' * width, result.remedy)}" if result.remedy else text


def unknown(results: Sequence[Result]) -> list[str]:
    """Return a line for each reason why checks could not be made: a dead API server stops most of them."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.state is State.UNKNOWN:
            reasons.setdefault(result.detail, []).append(result.check)
    return [_row(State.UNKNOWN, ", ".join(checks), f"were not checked: {reason}") for reason, checks in reasons.items()]


def _row(state: str, check: str, text: str) -> str:
    return f"{state.upper():7}  {check}  {text}"


def summary(results: Sequence[Result]) -> str:
    """Return the number of results of each state, the worst first."""
    counts = Counter(result.state for result in results)
    order = (State.ERROR, State.WARNING, State.UNKNOWN, State.OK, State.ABSENT)
    return ", ".join(f"{counts[state]} {state}" for state in order if counts[state])


def to_json(results: Sequence[Result]) -> dict[str, Any]:
    """Return the results as a JSON object."""
    return {"ok": exit_code(results) is Exit.OK, "checks": [result.to_json() for result in results]}


def exit_code(results: Sequence[Result]) -> Exit:
    """Return the exit code of the worst severity."""
    severities = {result.severity for result in results}
    if Severity.ERROR in severities:
        return Exit.UNEXPECTED
    # As for a served model: it works, but something is wrong with it.
    return Exit.DEGRADED if Severity.WARNING in severities else Exit.OK
