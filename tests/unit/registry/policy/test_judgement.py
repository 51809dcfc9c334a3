import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest

from contracts import Exit
from tests.support.local_signer import LocalSigner
from tests.support.tracking_store import Experiment
from tests.unit.registry.policy.conftest import SAMPLES, Register
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry.policy import Judge, Policy, Report, Rule, evaluation_set
from workloads.registry.policy.latency import measure
from workloads.training.data import digits

Load = Callable[..., Policy]
Judged = Callable[..., Report]

RIGHT = np.arange(SAMPLES) % 10
COMPARISON: dict[str, Any] = {"comparison": {}}


def wrong(share: float, *, first: int = 0) -> np.ndarray:
    """Return classes of which this share is wrong, evenly over labels and groups, from sample `first` on."""
    answers = RIGHT.copy()
    places = (first + np.arange(round(share * SAMPLES)) * 7) % SAMPLES
    answers[places] = (answers[places] + 1) % 10
    return answers


def rule(report: Report, name: str) -> Rule:
    return next(each for each in report.rules if each.name == name)


def test_a_better_candidate_passes(load: Load, judged: Judged, register: Register) -> None:
    report = judged(load(COMPARISON), register(wrong(0.05)), register(wrong(0.20)))
    assert report.passed
    assert rule(report, "comparison").figures["mean"] == pytest.approx(0.15)
    assert rule(report, "comparison").figures["different"] == 30
    assert report.evaluation is not None
    assert report.evaluation["samples"] == SAMPLES


@pytest.mark.parametrize("share", [0.05, 0.04])
def test_an_equal_or_hardly_better_candidate_is_refused(
    share: float, load: Load, judged: Judged, register: Register
) -> None:
    assert not judged(load(COMPARISON), register(wrong(share)), register(wrong(0.05))).passed


def test_an_equal_candidate_is_not_inferior(load: Load, judged: Judged, register: Register) -> None:
    rules = {"comparison": {"max_regression": 0.05}}
    assert judged(load(rules), register(wrong(0.05)), register(wrong(0.05, first=1))).passed
    assert not judged(load(rules), register(wrong(0.12)), register(wrong(0.05))).passed


def test_too_few_samples_never_hold(load: Load, judged: Judged, register: Register) -> None:
    report = judged(load({"comparison": {"min_samples": 201}}), register(RIGHT), register(wrong(0.5)))
    assert rule(report, "comparison").detail == "200 samples, and at least 201 are needed"
    assert not report.passed


def test_the_first_version_needs_no_champion_unless_the_policy_says_so(
    load: Load, judged: Judged, register: Register
) -> None:
    first = register(RIGHT)
    rules = {
        "comparison": {},
        "slices": {"max_regression": 0.1},
        "size": {"max_ratio": 1},
        "latency": {"single": {"p95_ratio": 1}},
    }
    report = judged(load(rules), first)
    assert report.passed
    assert report.champion is None
    assert {each.detail for each in report.rules[1:]} == {
        "no champion yet",
        "no champion yet for the ratio",
        "no champion yet for the ratios",
    }
    assert not judged(load({"comparison": {"require_champion": True}}), first).passed


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (np.where(np.arange(SAMPLES) == 7, np.nan, RIGHT), "its predictions of 1 of 200 samples are NaN or infinite"),
        (RIGHT[:150], "it returns 150 predictions for 200 samples"),
        (np.zeros((SAMPLES, 3)), "it scores 3 classes, and the target has 0 to 9"),
        (RIGHT + 0.5, "numbers that are neither whole nor probabilities"),
        (RIGHT.astype(str), "its classes are <U"),
        (np.zeros((SAMPLES, 2, 2)), "float64 of shape (200, 2, 2)"),
    ],
)
@pytest.mark.parametrize("has_champion", [True, False])
def test_broken_predictions_fail_with_the_reason(
    answers: np.ndarray,
    reason: str,
    has_champion: bool,
    load: Load,
    judged: Judged,
    register: Register,
) -> None:
    candidate = register(answers)
    report = judged(load(COMPARISON), candidate, register(RIGHT) if has_champion else None)
    assert not report.passed
    detail = rule(report, "comparison").detail
    assert detail.startswith(f"the candidate, version {candidate.version}: ")
    assert reason in detail


def test_a_broken_or_foreign_champion_is_named(load: Load, judged: Judged, register: Register) -> None:
    candidate = register(RIGHT)
    for champion, reason in (
        (register(RIGHT[:9]), "it returns 9 predictions"),
        (register(RIGHT, by=LocalSigner()), "NOT verified"),
    ):
        report = judged(load(COMPARISON), candidate, champion)
        assert not report.passed
        assert rule(report, "comparison").detail.startswith(f"the champion, version {champion.version}: ")
        assert reason in rule(report, "comparison").detail


def test_a_foreign_candidate_runs_no_code(
    load: Load, judged: Judged, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow.pyfunc, "load_model", lambda *_: pytest.fail("its code ran"))
    rules = {"comparison": {}, "size": {"max_bytes": 10**9}, "approvals": {"of": ["ada"]}}
    report = judged(load(rules), register(RIGHT, by=LocalSigner()), None, approvals=["ada"])
    assert [each.held for each in report.rules] == [False, False, False, True]
    assert "isn't trusted" in rule(report, "signature").detail
    assert rule(report, "size").detail == "not measured, as the candidate does not verify"


def test_the_judge_s_own_mlflow_answers_whatever_the_process_uses(
    load: Load, judged: Judged, register: Register, tmp_path: Path
) -> None:
    candidate, champion = register(wrong(0.05)), register(wrong(0.20))
    rules = load({"comparison": {}, "size": {"max_ratio": 2}})
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/other.db")
    assert judged(rules, candidate, champion).passed


def test_a_process_that_runs_no_model_comes_to_the_verdict_of_the_one_that_did(
    load: Load,
    judged: Judged,
    register: Register,
    tracking: Tracking,
    signer: LocalSigner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    latency = {"single": {"p95_ms": 10000}}
    rules = load({"comparison": {}, "slices": {"by": "group", "max_regression": 0.1}, "latency": latency})
    candidate, champion = register(wrong(0.05)), register(wrong(0.20))
    first = judged(rules, candidate, champion)
    report = tmp_path / "report.json"
    report.write_text(json.dumps(first.to_json()))
    monkeypatch.setattr(mlflow.pyfunc, "load_model", lambda *_: pytest.fail("a model's code ran"))
    judge = Judge(policy=rules, tracking=tracking, keys=[signer.public_key()], report=report)
    assert judge.judge(candidate, champion, ()) == first
    assert first.passed


def test_a_changed_byte_is_found(load: Load, judged: Judged, register: Register, tracking: Tracking) -> None:
    version = register(RIGHT)
    stored = tracking.client.get_model_version_download_uri(version.name, version.version)
    path = Path(stored.removeprefix("file://"), "answers.npy")
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    report = judged(load({"size": {"max_bytes": 10**9}}), version)
    assert "was changed after it was signed" in rule(report, "signature").detail


def test_a_slice_that_regresses_is_named(load: Load, judged: Judged, register: Register) -> None:
    answers = wrong(0.02)
    answers[RIGHT == 3] = 4
    rules = {"slices": {"max_regression": 0.1, "min_samples": 20}}
    champion = register(wrong(0.05))
    report = judged(load(rules), register(answers), champion)
    assert rule(report, "slices").detail == "worse: 3"
    assert set(rule(report, "slices").figures["slices"]) == set("0123456789")
    assert judged(load({"slices": {"by": "group", "max_regression": 0.2}}), register(answers), champion).passed


def test_slices_must_exist_and_have_samples(load: Load, judged: Judged, register: Register) -> None:
    report = judged(load({"slices": {"max_regression": 0.1, "min_samples": 21}}), register(RIGHT), register(RIGHT))
    assert rule(report, "slices").detail == "no slice of label has 21 samples"
    with pytest.raises(WorkloadError, match=r"slices.by must be one of group, label, .*, got 'colour'"):
        judged(load({"slices": {"by": "colour", "max_regression": 0.1}}), register(RIGHT), register(RIGHT))


@pytest.mark.parametrize(
    ("metrics", "signed", "held"),
    [
        ({"loss": 0.1}, {}, True),
        ({"loss": 0.3}, {}, False),
        ({"loss": float("nan")}, {}, False),
        ({"loss": float("inf")}, {}, False),
        ({}, {}, False),
        # The metrics that were signed with the model count more than those that the run has now.
        ({"loss": 0.1}, {"loss": 0.3}, False),
    ],
)
def test_thresholds(
    metrics: dict[str, float],
    signed: dict[str, float],
    held: bool,
    load: Load,
    judged: Judged,
    register: Register,
) -> None:
    version = register(RIGHT, metrics=metrics, source={"metrics": signed} if signed else None)
    report = judged(load({"thresholds": {"loss": {"min": 0, "max": 0.2}}}), version)
    assert rule(report, "thresholds.loss").held is held
    json.dumps(report.to_json(), allow_nan=False)


def test_size_is_that_of_the_signed_files(load: Load, judged: Judged, register: Register) -> None:
    small, large = register(RIGHT.astype(np.int8)), register(RIGHT.astype(np.int64))
    assert judged(load({"size": {"max_ratio": 1.0}}), small, large).passed
    report = judged(load({"size": {"max_ratio": 1.0, "max_bytes": 100}}), large, small)
    assert "allowed are 100" in rule(report, "size").detail
    assert "of the champion's" in rule(report, "size").detail


def conversion(of: str, difference: float, agreement: float | None = 1.0) -> dict[str, Any]:
    return {
        "converted_from": {"content_sha256": of},
        "precision": "fp32",
        "parity": {"max_difference": difference, "agreement": agreement},
    }


def test_parity_is_read_from_the_signed_manifest_of_the_conversion(
    load: Load, judged: Judged, register: Register
) -> None:
    rules = load({"onnx_parity": {"max_difference": 1e-4, "min_agreement": 1.0}})
    candidate = register(RIGHT)
    assert "no signed fp32 conversion" in rule(judged(rules, candidate), "onnx_parity").detail
    digest = rule(judged(rules, candidate), "signature").figures["content_sha256"]
    tags = {"aegis.source.sha256": digest}
    register(RIGHT, source=conversion(digest, 1e-6), tags=tags, by=LocalSigner())
    register(RIGHT, source=conversion("0" * 64, 1e-6), tags=tags)
    detail = rule(judged(rules, candidate), "onnx_parity").detail
    assert "isn't trusted" in detail
    assert "conversion of other files" in detail
    converted = register(RIGHT, source=conversion(digest, 1e-6), tags=tags)
    assert judged(rules, candidate).passed
    assert judged(rules, converted).passed, "the candidate may be the conversion itself"
    inaccurate = register(RIGHT, source=conversion(digest, 1e-3, None))
    assert rule(judged(rules, inaccurate), "onnx_parity").detail == (
        "the difference is 0.001, allowed is 0.0001; the agreement is not known, at least 1 is needed"
    )


def test_approvals_count_once_and_not_by_the_promoter(load: Load, judged: Judged, register: Register) -> None:
    rules, version = load({"approvals": {"at_least": 2, "of": ["ada", "grace", "alan"]}}), register(RIGHT)
    assert judged(rules, version, approvals=["ada", "grace"], promoter="alan").passed
    for approvals in ([], ["ada"], ["ada", "ada"], ["ada", "alan"], ["ada", "mallory"], ["ada", "GRACE"]):
        assert not judged(rules, version, approvals=approvals, promoter="alan").passed


def test_latency_limits(load: Load, judged: Judged, register: Register) -> None:
    limits = {"median_ms": 10_000, "p95_ratio": 10_000}
    rules = {"latency": {"repeats": 20, "batch_size": 500, "single": limits, "batch": limits}}
    report = judged(load(rules), register(RIGHT), register(RIGHT))
    assert report.passed
    assert set(rule(report, "latency").figures["batch"]) == {"candidate", "champion"}
    rules["latency"]["single"] = {"median_ms": 1e-9}
    assert "single.median_ms is " in rule(judged(load(rules), register(RIGHT)), "latency").detail


def test_models_take_turns_at_being_first() -> None:
    ticks, order = iter(range(1000)), []
    times = measure(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 4, clock=lambda: float(next(ticks))
    )
    assert "".join(order[6:]) == "abbaabba"
    assert times["a"].median_ms == times["b"].p95_ms == 1000


def test_the_report_is_small_stable_json_and_a_table(load: Load, judged: Judged, register: Register) -> None:
    rules, candidate, champion = (
        load({"comparison": {}, "slices": {"max_regression": 0.1, "min_samples": 20}}),
        register(RIGHT),
        register(wrong(0.3)),
    )
    first, second = judged(rules, candidate, champion), judged(rules, candidate, champion)
    text = json.dumps(first.to_json(), allow_nan=False)
    assert text == json.dumps(second.to_json(), allow_nan=False)
    assert len(text) < 4000
    assert first.to_json()["evaluation"]["sha256"] in text
    lines = first.to_text().splitlines()
    assert lines[1].split() == ["rule", "held", "measured", "required"]
    assert lines[-1] == "passed"


def test_a_judge_is_a_policy_with_its_services(
    load: Load, register: Register, tracking: Tracking, signer: LocalSigner
) -> None:
    judge = Judge(
        policy=load({"approvals": {"of": ["ada"]}}), tracking=tracking, promoter="ada", keys=[signer.public_key()]
    )
    assert (judge.name, len(judge.digest)) == ("test", 64)
    assert not judge.judge(register(RIGHT), None, ("ada",)).passed


def test_without_trusted_keys_nothing_is_judged(
    load: Load, register: Register, tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AEGIS_TRUSTED_KEYS", raising=False)
    judge = Judge(policy=load({"approvals": {"of": ["ada"]}}), tracking=tracking)
    with pytest.raises(WorkloadError, match="AEGIS_TRUSTED_KEYS is not set") as failure:
        judge.judge(register(RIGHT), None, ())
    assert failure.value.code == Exit.USAGE


def test_a_table_is_an_evaluation_set(
    load: Load, judged: Judged, register: Register, tmp_path: Path, experiment: Experiment
) -> None:
    number = np.arange(SAMPLES)
    table = pd.DataFrame({"number": number, "truth": number / 10, "region": np.where(number % 2, "north", "south")})
    table.to_csv(tmp_path / "set.csv", index=False)
    table.to_parquet(tmp_path / "set.parquet")
    run_id = experiment.run({})
    good, bad = register(number / 10 + 0.01), register(number / 10 + 1)
    rules = {"comparison": {"min_improvement": 0.5}, "slices": {"by": "region", "max_regression": 0.1}}
    experiment.client.log_artifact(run_id, str(tmp_path / "set.csv"))
    for data in ("set.csv", "set.parquet", f"runs:/{run_id}/set.csv"):
        report = judged(load(rules, data=data, target="truth", score="absolute_error"), good, bad)
        assert report.passed, data
        assert set(rule(report, "slices").figures["slices"]) == {"north", "south"}


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ({"data": "missing.npz"}, "missing.npz can't be read: No such file or directory."),
        ({"data": "set.pickle"}, "evaluation.data must be digits, cifar10:FOLDER, or a file that ends in .npz"),
        ({"data": "broken.npz"}, "broken.npz is not an evaluation set"),
        ({"data": "broken.parquet"}, "broken.parquet is not an evaluation set"),
        ({"data": "only-x.npz"}, "it has no array y; it has x."),
        ({"data": "small.csv", "target": "truth"}, "it has no column truth; it has a, b."),
        ({"sha256": "0" * 64}, "evaluation.sha256 must be the SHA-256 of set.npz, "),
    ],
)
def test_a_bad_evaluation_set_is_named(
    evaluation: dict[str, Any], message: str, load: Load, judged: Judged, register: Register, tmp_path: Path
) -> None:
    for name in ("broken.npz", "broken.parquet"):
        (tmp_path / name).write_text("broken")
    (tmp_path / "small.csv").write_text("a,b\n1,2\n")
    np.savez(tmp_path / "only-x.npz", x=np.zeros(3))
    with pytest.raises(WorkloadError) as failure:
        judged(load(COMPARISON, **evaluation), register(RIGHT), register(RIGHT))
    assert message in str(failure.value)
    assert failure.value.code == Exit.USAGE


def test_digits_are_the_trainer_s_validation_split(load: Load, tracking: Tracking) -> None:
    rules = load(COMPARISON, data="digits")
    assert rules.content.evaluation is not None
    data = evaluation_set.load(rules, rules.content.evaluation, tracking)
    _, validation, _ = digits.load()
    assert isinstance(data.inputs, np.ndarray)
    assert (data.inputs.dtype, data.inputs.shape) == (np.float32, (360, 1, 8, 8))
    assert (data.inputs == validation.pictures.numpy()).all()
    assert (data.target == validation.labels.numpy()).all()
    assert data.to_json()["sha256"] == evaluation_set.load(rules, rules.content.evaluation, tracking).digest


def test_cifar10_needs_its_folder(load: Load, judged: Judged, register: Register) -> None:
    with pytest.raises(WorkloadError, match="does not exist"):
        judged(load(COMPARISON, data="cifar10:none"), register(RIGHT))
