"""A verdict as a table or JSON."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

import pandas as pd

from workloads import messages
from workloads.serving.watching.verdict import Verdict

# In characters: names longer than this are cut in the table only.
_WIDEST: Final = 40


def lines(verdict: Verdict) -> Iterator[str]:
    """Yield the lines above the table: what was counted, and how requests went."""
    summary = verdict.summary
    sources = "1 source" if len(summary.instances) == 1 else f"{len(summary.instances)} sources"
    yield f"{summary.rows} samples from {sources}: {_explained(verdict)}"
    if summary.requests:
        yield (
            f"{summary.requests} requests in the last {summary.seconds / 60:g} minutes, {summary.failures} failed, "
            f"half took up to {summary.latency(0.5):g} s, 95% up to {summary.latency(0.95):g} s"
        )
    if summary.dropped:
        yield f"The inputs of {summary.dropped} requests were not counted, for lack of time."


def table(verdict: Verdict) -> str:
    """Return the features, the largest drift first."""
    rows = [
        {
            "feature": messages.one_line(one.feature)[:_WIDEST],
            "samples": str(one.samples),
            "PSI": shown(one.psi),
            "KS": shown(one.ks),
            "p": "-" if one.p is None else f"{one.p:.2g}",
            "drifted": "yes" if one.drifted else "",
        }
        for one in verdict.findings
    ]
    if not rows:
        return ""
    return "\n".join(line.rstrip() for line in pd.DataFrame(rows).to_string(index=False).splitlines())


def as_json(verdict: Verdict) -> str:
    """Return one line of strict JSON; a latency above the last bound is null."""
    summary = verdict.summary
    return json.dumps(
        {
            "state": verdict.state,
            "degraded": verdict.reasons,
            "drift": [asdict(one) for one in verdict.findings],
            "error_rate": summary.error_rate,
            "latency_seconds": {"p50": _finite(summary.latency(0.5)), "p95": _finite(summary.latency(0.95))},
            **summary.model_dump(mode="json", exclude={"baseline"}),
        }
    )


def shown(value: float | None) -> str:
    """Return a statistic for a reader: `-` if there is none."""
    return "-" if value is None else f"{value:.3f}"


def _explained(verdict: Verdict) -> str:
    return {
        "off": "watching is switched off",
        "no baseline": "the model has no baseline, so drift isn't measured",
        "waiting": f"too few to judge, at least {verdict.allowed.drift.samples} are needed",
        "steady": "distributed as in the training",
        "drifted": "distributed otherwise than in the training",
    }[verdict.state]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
