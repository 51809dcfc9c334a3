"""Decisions for a terminal."""

from collections.abc import Sequence
from typing import Final

from workloads.messages import one_line
from workloads.registry.decisions.history import History
from workloads.registry.decisions.outcome import Outcome
from workloads.registry.decisions.record import Record

_HEADINGS: Final = ("record", "time (UTC)", "action", "alias", "from", "to", "by", "reason")
_SECONDS: Final = len("2026-01-01T00:00:00")


def outcome_text(outcome: Outcome, *, dry_run: bool) -> str:
    """Return what a decision did, or would do."""
    lines = [outcome.report.to_text()] if outcome.report else []
    if outcome.reason:
        return "\n".join([*lines, outcome.reason])
    if outcome.report and not outcome.report.passed:
        return "\n".join(lines)
    instead = f" instead of version {outcome.from_version}" if outcome.from_version else ""
    move = f"{outcome.alias} of {outcome.model} is version {outcome.to_version}"
    if outcome.moved:
        lines.append(f"{move}{instead}: {outcome.record_uri}")
    elif dry_run and outcome.from_version != outcome.to_version:
        lines.append(f"{outcome.alias} of {outcome.model} would be version {outcome.to_version}{instead}")
    else:
        lines.append(f"{move} already")
    return "\n".join(lines)


def history_text(history: History) -> str:
    """Return the records as a table, and what is wrong with them."""
    if not history.records and history.verified:
        return f"no decision about {history.model}"
    rows = [_HEADINGS, *(_row(record) for record in history.records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    signers = {record.number: record.signed_by for record in history.records}
    lines += [
        f"record {number}: signed with a retired key, {one_line(signers[number].name)} version "
        f"{signers[number].version}, vouched for by record {voucher}"
        for number, voucher in sorted(history.vouchers().items())
    ]
    reigns = history.reigns()
    if reigns:
        lines.append(f"champion: version {reigns[-1].version} since {reigns[-1].since[:_SECONDS]}")
    return "\n".join(lines)


def _row(record: Record) -> Sequence[str]:
    decision = record.decision
    cells = (decision.from_version or "-", decision.to_version or "-", decision.by or "-", decision.reason or "")
    return [
        str(decision.number),
        decision.time[:_SECONDS],
        decision.action,
        *(one_line(cell) for cell in (decision.alias, *cells)),
    ]
