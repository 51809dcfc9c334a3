"""The options that an environment's policy file sets for rules, and the pack's own settings."""

from pathlib import Path

import pytest
import yaml

from policy.rules import RULES
from policy.tags import TAGGED
from tests.support.policies import breaches, takes_tags
from tests.unit.policy.world import ABSENT, BOUNDARY, world

ROOT = Path(__file__).parents[3]
PACK = ROOT / "policy"


def rules_broken(*changes: tuple, **config: object) -> set[str]:
    return {breach.rule for breach in breaches(world(*changes), {k.replace("_", "-"): v for k, v in config.items()})}


def test_a_disabled_rule_reports_nothing() -> None:
    assert rules_broken(("bucket.protect", False), data_is_protected="disabled") == set()


def test_only_an_opened_service_may_face_outward() -> None:
    outward = ("service.spec.type", "LoadBalancer")
    assert rules_broken(outward, service_is_internal={"opened": ["mlflow/mlflow"]}) == set()
    assert rules_broken(outward, service_is_internal={"opened": ["mlflow/vault"]}) == {"service-is-internal"}


def test_a_service_without_a_namespace_counts_as_one_in_default() -> None:
    changes = [("service.spec.type", "NodePort"), ("service.metadata.namespace", ABSENT)]
    assert rules_broken(*changes, service_is_internal={"opened": ["default/mlflow"]}) == set()


def test_a_named_boundary_is_required_of_every_role() -> None:
    without = [("role.permissionsBoundary", ABSENT), ("replication-role.permissionsBoundary", ABSENT)]
    assert rules_broken(*without) == set()
    assert rules_broken(*without, iam_role_has_boundary={"boundary": BOUNDARY}) == {"iam-role-has-boundary"}
    another = "arn:aws:iam::123456789012:policy/another"
    assert rules_broken(iam_role_has_boundary={"boundary": another}) == {"iam-role-has-boundary"}


def test_no_breach_shows_the_secret() -> None:
    for place in ("config.data.PASSWORD", "deployment.spec.template.spec.containers.0.env.0.value"):
        found = breaches(world((place, "postgresql://mlflow:hunter2@db/mlflow")))
        assert found
        assert not any("hunter2" in breach.text for breach in found)


def test_the_names_of_the_rules_are_unique() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))


def test_the_pack_runs_in_the_environment_of_the_repository() -> None:
    runtime = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text())["runtime"]
    assert (PACK / runtime["options"]["virtualenv"]).resolve() == (ROOT / ".venv").resolve()


@pytest.mark.parametrize("type_", TAGGED)
def test_every_type_that_must_be_tagged_takes_tags(type_: str) -> None:
    assert takes_tags(type_)
