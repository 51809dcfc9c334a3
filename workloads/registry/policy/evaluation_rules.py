"""The rules that need predictions on the evaluation set: the comparison with the champion, its slices, and latency."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aegis.errors import NotVerifiedError
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.registry.policy import latency as latencies
from workloads.registry.policy.bootstrap import Bound, lower_bound
from workloads.registry.policy.case import NO_CHAMPION, Case, NotMeasuredError
from workloads.registry.policy.contestant import Contestant, rows
from workloads.registry.policy.evaluation_set import LABEL
from workloads.registry.policy.latency import Latency as Measured
from workloads.registry.policy.report import Rule
from workloads.registry.policy.schema import Comparison, Latency, LatencyLimits, Slices, least_resamples
from workloads.registry.policy.scores import PredictionError

# Each is a hypothesis of its own, and an entry of the report.
_MOST_SLICES: Final = 100
_MOST_SHOWN: Final = 3


def comparison(case: Case, rule: Comparison) -> Rule:
    """Judge the mean gain of the candidate over the champion, by its lower confidence bound."""
    required = f"{case.evaluation.score} gain > {rule.margin:g} at {100 * rule.confidence:g} %"
    candidate, champion = case.candidate_gains, case.champion_gains
    samples = len(candidate)
    figures: dict[str, Any] = {"samples": samples, "candidate": float(candidate.mean())}
    if champion is None:
        held = not rule.require_champion
        return Rule(
            name="comparison",
            held=held,
            measured=f"candidate {candidate.mean():.6g}",
            required=required,
            detail=NO_CHAMPION if held else f"{NO_CHAMPION}, and require_champion is true",
            figures=figures,
        )
    bound = _bound(case, candidate - champion, rule.confidence, rule.margin)
    enough = samples >= rule.min_samples
    return Rule(
        name="comparison",
        held=enough and bound.lower > rule.margin,
        measured=f"gain {bound.mean:+.6g}, lower bound {bound.lower:+.6g}",
        required=required,
        detail="" if enough else f"{samples} samples, and at least {rule.min_samples} are needed",
        figures=figures | {"champion": float(champion.mean()), **asdict(bound), "different": _different(case)},
    )


def slices(case: Case, rule: Slices) -> Rule:
    """Judge the slices: none may regress by more than the limit, as a test with Holm's correction finds it.

    Holm's step-down method keeps the chance of blaming any slice by mistake at 1 - confidence for all slices together.
    """
    required = f"no slice of {rule.by} worse by > {rule.max_regression:g} at {100 * rule.confidence:g} %"
    names = _slice_names(case, rule.by)
    candidate, champion = case.candidate_gains, case.champion_gains
    if champion is None:
        return Rule(name="slices", held=True, measured="", required=required, detail=NO_CHAMPION)
    losses = {
        name: (champion - candidate)[names == name]
        for name, count in _counts(names).items()
        if count >= rule.min_samples
    }
    if not losses:
        raise NotMeasuredError(f"no slice of {rule.by} has {rule.min_samples} samples")
    _require_resamples(case, rule, len(losses))
    bounds = {name: _bound(case, loss, rule.confidence, rule.max_regression) for name, loss in losses.items()}
    worse = _rejected({name: bound.p_value for name, bound in bounds.items()}, 1 - rule.confidence)
    worst = max(bounds, key=lambda name: bounds[name].mean)
    return Rule(
        name="slices",
        held=not worse,
        measured=f"{len(worse)} of {len(bounds)} worse; the worst is {worst}: gain {-bounds[worst].mean:+.6g}",
        required=required,
        detail=f"worse: {', '.join(worse[:_MOST_SHOWN])}{', ...' if len(worse) > _MOST_SHOWN else ''}" if worse else "",
        figures={
            "left_out": len(_counts(names)) - len(bounds),
            "worse": worse,
            "slices": {
                name: {"samples": len(losses[name]), "gain": -bound.mean, "p_value": bound.p_value}
                for name, bound in bounds.items()
            },
        },
    )


def latency(case: Case, rule: Latency) -> Rule:
    """Judge the time of predictions of one sample and of a batch."""
    figures: dict[str, dict[str, Any]] = {}
    problems, measured, required = [], [], []
    for kind, limits, size in (("single", rule.single, 1), ("batch", rule.batch, rule.batch_size)):
        if limits is None:
            continue
        times = _times(case, size, rule.repeats)
        figures[kind] = {role: asdict(each) for role, each in times.items()}
        own = times[case.candidate.role]
        measured.append(f"{kind} {own.median_ms:.3g} ms, p95 {own.p95_ms:.3g} ms")
        for name, limit in limits.model_dump(exclude_none=True).items():
            required.append(f"{kind}.{name} <= {limit:g}")
            value = _latency_value(name, times, case)
            if value is not None and not value <= limit:
                problems.append(f"{kind}.{name} is {value:.4g}, allowed is {limit:g}")
    relies = case.champion is None and any(limits and _ratios(limits) for limits in (rule.single, rule.batch))
    return Rule(
        name="latency",
        held=not problems,
        measured="; ".join(measured),
        required=", ".join(required),
        detail="; ".join(problems) or (f"{NO_CHAMPION} for the ratios" if relies else ""),
        figures=figures,
    )


def _bound(case: Case, gains: NDArray[np.float64], confidence: float, margin: float) -> Bound:
    evaluation = case.evaluation
    return lower_bound(
        gains,
        confidence=confidence,
        margin=margin,
        resamples=evaluation.resamples,
        seed=evaluation.seed,
        least_scale=1.0 if evaluation.score == "accuracy" else 0.0,
    )


def _different(case: Case) -> int:
    """Return the number of samples on which candidate and champion score differently."""
    return 0 if case.champion_gains is None else int((case.candidate_gains != case.champion_gains).sum())


def _slice_names(case: Case, by: str) -> NDArray[Any]:
    columns = {**case.data.columns, LABEL: case.data.target}
    if by not in columns or columns[by].ndim != 1:
        raise WorkloadError(
            f"slices.by must be one of {', '.join(columns)}, with one value per sample, got {by!r}.", Exit.USAGE
        )
    names = pd.Series(columns[by]).astype(str).to_numpy(dtype=str)
    if (found := len(set(names.tolist()))) > _MOST_SLICES:
        raise WorkloadError(f"slices.by must have at most {_MOST_SLICES} values, {by!r} has {found}.", Exit.USAGE)
    return names


def _counts(names: NDArray[Any]) -> dict[str, int]:
    values, counts = np.unique(names, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _require_resamples(case: Case, rule: Slices, count: int) -> None:
    least = least_resamples(1 - (1 - rule.confidence) / count)
    if case.evaluation.resamples < least:
        raise WorkloadError(
            f"evaluation.resamples must be at least {least} for {count} slices at the confidence {rule.confidence:g}, "
            f"got {case.evaluation.resamples}.",
            Exit.USAGE,
        )


def _rejected(p_values: dict[str, float], level: float) -> list[str]:
    """Return the slices whose hypothesis Holm's method rejects, the surest first."""
    rejected: list[str] = []
    for name in sorted(p_values, key=lambda name: p_values[name]):
        if p_values[name] > level / (len(p_values) - len(rejected)):
            break
        rejected.append(name)
    return rejected


def _times(case: Case, size: int, repeats: int) -> dict[str, Measured]:
    contestants = [each for each in (case.candidate, case.champion) if each is not None]
    calls = {each.role: _call(case, each, size) for each in contestants}
    return latencies.measure(calls, repeats)


def _call(case: Case, contestant: Contestant, size: int) -> Callable[[], object]:
    """Return a prediction of the first `size` samples; a smaller set is repeated."""
    places = np.arange(size) % len(case.data)
    chosen = rows(case.data.inputs, places)
    try:
        prepared = contestant.prepared(chosen)
        # Once here, so that a failure names the contestant.
        contestant.predict(prepared)
    except (PredictionError, NotVerifiedError) as error:
        raise case.explained(contestant, error) from error
    return lambda: contestant.predict(prepared)


def _latency_value(limit: str, times: dict[str, Measured], case: Case) -> float | None:
    """Return the figure that `limit` is about; None for a ratio without a champion."""
    quantile, _, unit = limit.rpartition("_")
    own = getattr(times[case.candidate.role], f"{quantile}_ms")
    if unit == "ms":
        return own
    return None if case.champion is None else own / getattr(times[case.champion.role], f"{quantile}_ms")


def _ratios(limits: LatencyLimits) -> Sequence[float]:
    return [limit for limit in (limits.median_ratio, limits.p95_ratio) if limit is not None]
