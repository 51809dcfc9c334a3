"""Judge a candidate by a policy."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from aegis.keys import PublicKey
from aegis.trust import trusted_keys
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry.policy import evaluation_rules, registry_rules, report
from workloads.registry.policy.case import Case, NotMeasuredError
from workloads.registry.policy.contestant import Contestant
from workloads.registry.policy.file import Policy
from workloads.registry.policy.report import Report, Rule

_NOT_VERIFIED = "not measured, as the candidate does not verify"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judge:
    """A policy together with what it needs to judge; `promoter` is the person whose own approval doesn't count.

    `report` is the file with the report of another process that ran the versions' code, None to run it in this process.
    """

    policy: Policy
    tracking: Tracking
    promoter: str | None = None
    keys: Sequence[PublicKey] | None = None
    report: Path | None = None

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.policy.name

    @property
    def digest(self) -> str:
        """The SHA-256 in hex of the policy's file."""
        return self.policy.digest

    def judge(self, candidate: ModelVersion, champion: ModelVersion | None, approvals: Sequence[str]) -> Report:
        """Judge the candidate; see `judge`."""
        reported = None if self.report is None else report.read(self.report)
        return judge(
            self.policy,
            self.tracking,
            candidate,
            champion,
            promoter=self.promoter,
            approvals=approvals,
            keys=self.keys,
            reported=reported,
        )


def judge(
    policy: Policy,
    tracking: Tracking,
    candidate: ModelVersion,
    champion: ModelVersion | None,
    *,
    promoter: str | None = None,
    approvals: Sequence[str] = (),
    keys: Sequence[PublicKey] | None = None,
    reported: Report | None = None,
) -> Report:
    """Judge the version `candidate`, against `champion` if there is one.

    No code of a version runs unless all its bytes verify with `keys`, by default those of `AEGIS_TRUSTED_KEYS`. With
    the report of another process, `reported`, none runs at all: the rules that need predictions are taken from it.

    Raises:
        WorkloadError: The evaluation set or the trusted keys can't be read (`Exit.USAGE`), `reported` is about other
            versions or another policy (`Exit.USAGE`), or MLflow or its artifact store is dead.
    """
    if reported is not None:
        _require_same(reported, policy, candidate, champion)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    trusted = _trusted_keys() if keys is None else keys
    with tempfile.TemporaryDirectory(prefix="policy-") as scratch:

        def contestant(role: str, version: ModelVersion) -> Contestant:
            return Contestant(role=role, version=version, tracking=tracking, keys=trusted, folder=Path(scratch, role))

        case = Case(
            policy=policy,
            tracking=tracking,
            candidate=contestant("candidate", candidate),
            champion=None if champion is None else contestant("champion", champion),
            promoter=promoter,
            approvals=tuple(approvals),
            reported=reported,
        )
        rules = tuple(_rules(case))
        return Report(
            policy=policy.name,
            policy_digest=policy.digest,
            model=candidate.name,
            candidate=str(candidate.version),
            champion=_number(champion),
            rules=rules,
            evaluation=_evaluation(case) if rules[0].held else None,
        )


def _require_same(reported: Report, policy: Policy, candidate: ModelVersion, champion: ModelVersion | None) -> None:
    for what, judged, present in (
        ("the model", reported.model, candidate.name),
        ("candidate", reported.candidate, str(candidate.version)),
        ("champion", reported.champion, _number(champion)),
        ("the policy with the SHA-256", reported.policy_digest, policy.digest),
    ):
        if judged != present:
            raise WorkloadError(
                f"the report is about {what} {judged or 'none'}, and now it is {present or 'none'}: judge again.",
                Exit.USAGE,
            )


def _number(version: ModelVersion | None) -> str | None:
    return None if version is None else str(version.version)


def _evaluation(case: Case) -> Mapping[str, Any] | None:
    if case.reported is not None:
        return case.reported.evaluation
    return None if case.policy.content.evaluation is None else case.data.to_json()


def _trusted_keys() -> Sequence[PublicKey]:
    try:
        return trusted_keys()
    except (OSError, ValueError) as error:
        raise WorkloadError(str(error), Exit.USAGE) from error


def _rules(case: Case) -> Iterator[Rule]:
    rules = case.policy.content.rules
    signature = registry_rules.signature(case)
    yield signature

    def measured(name: str, measure: Callable[[], Iterable[Rule]]) -> Iterable[Rule]:
        return _measured(name, measure) if signature.held else [_not_measured(name, _NOT_VERIFIED)]

    def evaluated(name: str, measure: Callable[[], Rule]) -> Iterable[Rule]:
        reported = case.reported
        return measured(name, lambda: [measure() if reported is None else _reported(reported, name)])

    if (limits := rules.thresholds) is not None:
        yield from measured("thresholds", lambda: registry_rules.thresholds(case, limits))
    if (comparison := rules.comparison) is not None:
        yield from evaluated("comparison", lambda: evaluation_rules.comparison(case, comparison))
    if (slices := rules.slices) is not None:
        yield from evaluated("slices", lambda: evaluation_rules.slices(case, slices))
    if (latency := rules.latency) is not None:
        yield from evaluated("latency", lambda: evaluation_rules.latency(case, latency))
    if (size := rules.size) is not None:
        yield from measured("size", lambda: [registry_rules.size(case, size)])
    if (parity := rules.onnx_parity) is not None:
        yield from measured("onnx_parity", lambda: [registry_rules.onnx_parity(case, parity)])
    if (approvals := rules.approvals) is not None:
        yield registry_rules.approvals(case, approvals)


def _measured(name: str, measure: Callable[[], Iterable[Rule]]) -> Iterable[Rule]:
    try:
        return list(measure())
    except NotMeasuredError as error:
        return [_not_measured(name, str(error))]


def _reported(reported: Report, name: str) -> Rule:
    for rule in reported.rules:
        if rule.name == name:
            return rule
    raise NotMeasuredError("the report doesn't have it")


def _not_measured(name: str, reason: str) -> Rule:
    return Rule(name=name, held=False, measured="nothing", required="see the policy", detail=reason)
