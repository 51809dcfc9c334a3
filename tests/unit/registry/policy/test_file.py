import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import Exit
from tests.support.engine import ROOT
from workloads.cli import WorkloadError
from workloads.registry import __main__ as registry
from workloads.registry import policy

EXAMPLE = ROOT / "workloads" / "registry" / "examples" / "policy.yaml"
GOOD: dict[str, Any] = {"version": 1, "rules": {"size": {"max_bytes": 10}}}


def write(folder: Path, content: object) -> Path:
    path = folder / "rules.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def problem(folder: Path, content: object) -> str:
    with pytest.raises(WorkloadError) as failure:
        policy.load(write(folder, content))
    assert failure.value.code == Exit.USAGE
    assert "\n" not in str(failure.value)
    return str(failure.value)


def test_the_example_is_a_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert registry.main(["check-policy", str(EXAMPLE)]) == Exit.OK
    assert capsys.readouterr().out.endswith("): signature, thresholds, comparison, slices, latency, size\n")
    assert registry.main(["check-policy", "--json", str(EXAMPLE)]) == Exit.OK
    checked = json.loads(capsys.readouterr().out)
    assert checked["sha256"] == policy.load(EXAMPLE).digest
    assert checked["policy"]["evaluation"]["resamples"] == 10_000


def test_a_policy_is_named_after_its_file_unless_it_has_a_name(tmp_path: Path) -> None:
    assert policy.load(write(tmp_path, GOOD)).name == "rules"
    assert policy.load(write(tmp_path, {**GOOD, "name": "strict"})).name == "strict"


def with_rules(**rules: object) -> dict[str, Any]:
    content: dict[str, Any] = {"version": 1, "rules": rules}
    if set(rules) & {"comparison", "slices", "latency"}:
        content["evaluation"] = {"data": "digits"}
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it must be an object with the keys version, name, evaluation, rules"),
        ("[1]", "it must be an object"),
        ("a: {", "it isn't YAML"),
        ("? {a: 1}\n: 2", "it isn't YAML"),
        ("version: 1\nversion: 1", "the key 'version' occurs twice"),
        ("rules: {}\nversion: 2", "version: got 2; allowed: 1, the version of this schema"),
        ({"version": 1}, "rules: not set; allowed: an object of at least one rule"),
        ({"version": 1, "rules": {}}, "rules: got {}; allowed: at least one of thresholds, comparison, slices"),
        ({**GOOD, "rule": 1}, "rule: unknown key; did you mean rules? known keys: version, name, evaluation, rules"),
        ({**GOOD, "name": "a\nb"}, 'name: got "a\\nb"; allowed: 1 to 100 letters'),
        (with_rules(size={"max_byte": 1}), "rules.size.max_byte: unknown key; did you mean max_bytes?"),
        (with_rules(size={}), "rules.size: got {}; allowed: max_bytes, max_ratio or both"),
        (with_rules(size={"max_bytes": "10"}), 'rules.size.max_bytes: got "10"; allowed: an integer of 1 or more'),
        (with_rules(size={"max_bytes": 0}), "rules.size.max_bytes: got 0; allowed"),
        (with_rules(size={"max_ratio": float("nan")}), "rules.size.max_ratio: got NaN; allowed: a number above 0"),
        (with_rules(thresholds={"loss": {}}), "rules.thresholds.loss: got {}; allowed: min, max or both"),
        (with_rules(thresholds={"loss": {"min": 2, "max": 1}}), "allowed: a min up to max"),
        (with_rules(thresholds={"loss": {"mini": 2}}), "rules.thresholds.loss.mini: unknown key; did you mean min?"),
        (with_rules(comparison={"confidence": 95}), "rules.comparison.confidence: got 95; allowed: a number from 0.8"),
        (
            with_rules(comparison={"min_improvement": 0, "max_regression": 0.1}),
            "min_improvement or max_regression, not",
        ),
        (with_rules(comparison={"confidence": 0.9999}), "allowed: evaluation.resamples of at least 100000"),
        (with_rules(slices={}), "rules.slices.max_regression: not set; allowed: a number of 0 or more"),
        (with_rules(latency={}), "allowed: single, batch or both"),
        (with_rules(latency={"single": {}}), "rules.latency.single: got {}; allowed: at least one of median_ms"),
        (with_rules(onnx_parity={"min_agreement": 2}), "rules.onnx_parity.min_agreement: got 2; allowed: a number"),
        (with_rules(approvals={"of": []}), "rules.approvals.of: got []; allowed: a list of different names"),
        (with_rules(approvals={"of": ["a", "a"]}), "rules.approvals.of: got"),
        (with_rules(approvals={"at_least": 2, "of": ["a"]}), "allowed: at_least from 1 to 1, the number of names"),
        ({"version": 1, "rules": {"comparison": {}}}, "allowed: evaluation, which comparison needs"),
        ({**GOOD, "evaluation": {"data": "digits"}}, "evaluation only with the rule comparison, slices or latency"),
    ],
)
def test_a_problem_is_named_with_its_key_and_what_is_allowed(content: object, message: str, tmp_path: Path) -> None:
    assert message in problem(tmp_path, content)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = problem(tmp_path, {"version": 3, "rules": {"size": {"max_bytes": -1}}})
    assert "version: got 3" in text
    assert "rules.size.max_bytes: got -1" in text


def test_a_missing_or_huge_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="cannot be read: No such file"):
        policy.load(tmp_path / "none.yaml")
    assert "at most 1 MiB" in problem(tmp_path, "#" * (1 << 20) + "\nversion: 1")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(place=st.sampled_from(["version", "rules", "evaluation", "size", "comparison", "thresholds"]), value=VALUES)
def test_any_value_anywhere_is_taken_or_refused_in_one_line(
    place: str, value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = with_rules(comparison={}, size={"max_bytes": 1})
    (content if place in {"version", "rules", "evaluation"} else content["rules"])[place] = value
    assert "\n" not in refusal(write(tmp_path_factory.mktemp("policy"), content))


def refusal(path: Path) -> str:
    """Return why the policy is refused, or "" if it is taken."""
    try:
        policy.load(path)
    except WorkloadError as error:
        return str(error)
    return ""
