"""The rules that need only the registry: signature, thresholds, size, parity of the ONNX conversion, and approvals."""

from collections.abc import Iterator, Mapping
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from aegis import evidence
from aegis.errors import NotVerifiedError
from aegis.manifest import Manifest
from workloads.conversion import names
from workloads.registry.policy.case import NO_CHAMPION, Case, NotMeasuredError
from workloads.registry.policy.report import Rule
from workloads.registry.policy.schema import Approvals, OnnxParity, Size, Threshold
from workloads.registry.selection import is_finite


def signature(case: Case) -> Rule:
    """Verify the candidate's signed manifest, and all bytes of its files."""
    required = "signed by a trusted key, files as signed"
    try:
        verified = case.candidate.verified
    except NotVerifiedError as error:
        return Rule(name="signature", held=False, measured="not verified", required=required, detail=str(error))
    return Rule(
        name="signature",
        held=True,
        measured=f"{len(verified.manifest.files)} files verified",
        required=required,
        figures={"key_fingerprint": verified.key.fingerprint, "content_sha256": verified.manifest.content_sha256},
    )


def thresholds(case: Case, limits: Mapping[str, Threshold]) -> Iterator[Rule]:
    """Judge the metrics of the candidate's run, as signed with it if they were, else as MLflow has them now."""
    signed = case.candidate.verified.manifest.source.get("metrics")
    metrics: dict[str, Any] = {**_run_metrics(case), **(signed if isinstance(signed, dict) else {})}
    for metric, limit in limits.items():
        yield _threshold(metric, limit, metrics.get(metric))


def _run_metrics(case: Case) -> dict[str, float]:
    run_id = case.candidate.version.run_id
    if not run_id:
        return {}
    return case.tracking.ask(lambda: case.tracking.client.get_run(run_id)).data.metrics


def _threshold(metric: str, limit: Threshold, value: object) -> Rule:
    bounds = [f"{sign} {bound:g}" for sign, bound in ((">=", limit.min), ("<=", limit.max)) if bound is not None]
    number = float(value) if isinstance(value, int | float) else None
    if number is None or not is_finite(number):
        held, detail = False, "the run doesn't have it" if value is None else "it is not a finite number"
    else:
        held = (limit.min is None or number >= limit.min) and (limit.max is None or number <= limit.max)
        detail = ""
    return Rule(
        name=f"thresholds.{metric}",
        held=held,
        measured="none" if number is None else f"{number:.6g}",
        required=" and ".join(bounds),
        detail=detail,
        figures={"value": number if number is not None and is_finite(number) else None},
    )


def size(case: Case, rule: Size) -> Rule:
    """Judge the bytes of the model's files, as its signed manifest lists them."""
    own = _bytes(case.candidate.verified.manifest)
    figures: dict[str, Any] = {"bytes": own}
    problems, required, detail = [], [], ""
    if rule.max_bytes is not None:
        required.append(f"<= {rule.max_bytes} bytes")
        if own > rule.max_bytes:
            problems.append(f"{own} bytes, allowed are {rule.max_bytes}")
    if rule.max_ratio is not None:
        required.append(f"<= {rule.max_ratio:g} of the champion's")
        if case.champion is None:
            detail = f"{NO_CHAMPION} for the ratio"
        else:
            figures["champion_bytes"] = _champion_bytes(case)
            ratio = own / max(figures["champion_bytes"], 1)
            if ratio > rule.max_ratio:
                problems.append(f"{ratio:.4g} of the champion's, allowed is {rule.max_ratio:g}")
    return Rule(
        name="size",
        held=not problems,
        measured=f"{own} bytes" + (f", champion {figures['champion_bytes']}" if "champion_bytes" in figures else ""),
        required=", ".join(required),
        detail="; ".join(problems) or detail,
        figures=figures,
    )


def _champion_bytes(case: Case) -> int:
    champion = case.champion
    if champion is None:
        raise ValueError("there is no champion")
    try:
        return _bytes(champion.listed.manifest)
    except NotVerifiedError as error:
        raise case.explained(champion, error) from error


def _bytes(manifest: Manifest) -> int:
    return sum(file.size for file in manifest.files)


def onnx_parity(case: Case, rule: OnnxParity) -> Rule:
    """Judge the signed parity figures of the candidate's ONNX conversion, or its own if it is one."""
    manifest = case.candidate.verified.manifest
    name, source = _own(case, manifest) or _conversion(case, manifest.content_sha256, rule.precision)
    precision = source.get(names.PRECISION)
    if precision != rule.precision:
        raise NotMeasuredError(f"{name} has the precision {precision}, and {rule.precision} is needed")
    parity = source[names.PARITY]
    difference, agreement = (_number(parity, key) for key in ("max_difference", "agreement"))
    problems, required = [], []
    if rule.max_difference is not None:
        required.append(f"difference <= {rule.max_difference:g}")
        if difference is None or difference > rule.max_difference:
            problems.append(f"the difference is {_shown(difference)}, allowed is {rule.max_difference:g}")
    if rule.min_agreement is not None:
        required.append(f"agreement >= {rule.min_agreement:g}")
        if agreement is None or agreement < rule.min_agreement:
            problems.append(f"the agreement is {_shown(agreement)}, at least {rule.min_agreement:g} is needed")
    return Rule(
        name="onnx_parity",
        held=not problems,
        measured=f"{name}: difference {_shown(difference)}, agreement {_shown(agreement)}",
        required=", ".join(required),
        detail="; ".join(problems),
        figures={"version": name, "max_difference": difference, "agreement": agreement},
    )


def _own(case: Case, manifest: Manifest) -> tuple[str, Mapping[str, Any]] | None:
    version = case.candidate.version
    is_conversion = isinstance(manifest.source.get(names.PARITY), dict)
    return (f"{version.name}/{version.version}", manifest.source) if is_conversion else None


def _conversion(case: Case, content_sha256: str, precision: str) -> tuple[str, Mapping[str, Any]]:
    """Return the newest signed conversion of the candidate's files; tags only lead to it, its manifest is trusted."""
    reasons: list[str] = []
    for version in _tagged(case, content_sha256):
        name = f"{version.name}/{version.version}"
        try:
            source = evidence.check(version, case.candidate.keys).manifest.source
        except NotVerifiedError as error:
            reasons.append(f"{name}: {error}")
            continue
        origin = source.get(names.CONVERTED_FROM)
        if not isinstance(origin, dict) or origin.get(names.CONTENT_SHA256) != content_sha256:
            reasons.append(f"{name}: it was signed as the conversion of other files")
        elif isinstance(source.get(names.PARITY), dict) and source.get(names.PRECISION) == precision:
            return name, source
    found = f" ({'; '.join(reasons[:3])})" if reasons else ""
    raise NotMeasuredError(f"no signed {precision} conversion of the candidate is registered{found}")


def _tagged(case: Case, content_sha256: str) -> list[ModelVersion]:
    found = case.tracking.ask(
        lambda: case.tracking.client.search_model_versions(f"tags.`{names.SOURCE_SHA256_TAG}` = '{content_sha256}'")
    )
    return sorted(found, key=lambda version: version.creation_timestamp or 0, reverse=True)


def _number(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    return float(value) if isinstance(value, int | float) and is_finite(value) else None


def _shown(value: float | None) -> str:
    return "not known" if value is None else f"{value:.6g}"


def approvals(case: Case, rule: Approvals) -> Rule:
    """Count the approvals by the listed names, without the person who promotes."""
    counted = sorted({name for name in case.approvals if name in rule.of and name != case.promoter})
    others = sorted(set(case.approvals) - set(counted))
    return Rule(
        name="approvals",
        held=len(counted) >= rule.at_least,
        measured=f"{len(counted)}: {', '.join(counted)}" if counted else "0",
        required=f"{rule.at_least} of {', '.join(rule.of)}",
        detail=f"don't count: {', '.join(others)}" if others else "",
        figures={"approved_by": counted},
    )
