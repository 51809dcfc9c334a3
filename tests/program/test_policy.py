"""Every stack passes the policy pack with the exceptions of its policy file."""

import json
from pathlib import Path

import pytest

from policy.rules import RULES
from policy.tags import TAGGED
from tests.program.conftest import stack_graph, surround
from tests.support.engine import ROOT, STACK_FILES, run_program, stack_config
from tests.support.policies import Config, breaches, of_graph, takes_tags

POLICY_FILES = sorted((ROOT / "stacks").glob("policy.*.json"))


def policy_config(stack_file: Path) -> Config:
    file = stack_file.with_name(f"policy.{stack_file.name.split('.')[1]}.json")
    return json.loads(file.read_text()) if file.is_file() else {}


@pytest.mark.parametrize("stack_file", STACK_FILES, ids=lambda path: path.name)
def test_every_stack_passes_the_policies(stack_file: Path) -> None:
    assert breaches(of_graph(stack_graph(stack_file)), policy_config(stack_file)) == []


@pytest.mark.parametrize("stack_file", STACK_FILES, ids=lambda path: path.name)
def test_the_first_preview_of_every_stack_passes_the_policies(
    stack_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    surround(monkeypatch, tmp_path)
    graph = run_program(stack_config(stack_file), stack=stack_file.name.split(".")[1], preview=True)
    assert breaches(of_graph(graph), policy_config(stack_file)) == []


def test_staging_and_prod_have_no_exceptions() -> None:
    assert {file.name.split(".")[1] for file in POLICY_FILES if json.loads(file.read_text())} == {"local", "ci", "dev"}


@pytest.mark.parametrize("file", POLICY_FILES, ids=lambda path: path.name)
def test_a_policy_file_names_existing_rules(file: Path) -> None:
    assert set(json.loads(file.read_text())) <= {rule.name for rule in RULES}


@pytest.mark.parametrize("file", POLICY_FILES, ids=lambda path: path.name)
def test_a_policy_file_has_only_exceptions_that_its_stack_needs(file: Path) -> None:
    graph = stack_graph(file.with_name(f"Pulumi.{file.name.split('.')[1]}.yaml"))
    assert {breach.rule for breach in breaches(of_graph(graph))} == set(json.loads(file.read_text()))


@pytest.mark.parametrize("stack_file", STACK_FILES, ids=lambda path: path.name)
def test_every_type_of_a_stack_that_takes_tags_must_have_them(stack_file: Path) -> None:
    types = {each.type for each in stack_graph(stack_file).custom() if each.type.startswith("aws:")}
    assert {type_ for type_ in types if takes_tags(type_)} <= set(TAGGED)
