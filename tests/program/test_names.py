"""Every name that a stack gives in AWS is one that the settings were checked for."""

import json
from pathlib import Path

import pytest

from infra.settings.load import parse
from infra.settings.names_in_aws import names
from tests.program.conftest import stack_graph, surround
from tests.support.engine import ROOT, Graph, run_program, stack_config

STACKS = ("ci", "dev", "staging", "prod")
# Kinds whose names are of Pulumi's making, or the same in every environment.
GENERATED = {"ParameterGroup", "SubnetGroup", "SecurityGroup", "RolePolicy", "LogGroup"}


def made(graph: Graph) -> set[str]:
    """The names in AWS that the program has chosen."""
    return {
        each.inputs[key]
        for each in graph.custom()
        if each.type.startswith("aws:") and each.kind not in GENERATED
        for key in ("bucket", "identifier", "name")
        if isinstance(each.inputs.get(key), str) and not each.inputs[key].endswith("-id")
    }


@pytest.mark.parametrize("stack", STACKS)
def test_no_name_is_made_that_was_not_checked(stack: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    surround(monkeypatch, tmp_path)
    path = ROOT / "stacks" / f"Pulumi.{stack}.yaml"
    given = {
        key.removeprefix("aegis:"): json.loads(value)
        for key, value in stack_config(path).items()
        if key.startswith("aegis:") and value != "{}"
    }
    given["cluster"] |= {"kubeconfig": str(tmp_path / "kubeconfig")} if stack == "ci" else {}
    given.setdefault("images", json.loads((tmp_path / "images.json").read_text()))
    given["images"].pop("pause", None)
    given["aws"]["endpoint"] = "http://127.0.0.1:5555"
    settings = parse(given, "aegis", stack)
    assert settings.environment is not None
    assert settings.aws is not None
    checked = {make() for _, _, make in names(settings, settings.aws.account("aegis", settings.environment))}
    assert made(stack_graph(path)) - checked == set()


def test_an_environment_with_a_hyphen_has_it_in_all_of_its_names(surroundings: None) -> None:
    config = stack_config(
        ROOT / "stacks" / "Pulumi.prod.yaml",
        {"aegis:environment": {"name": "eu-prod", "owner": "ml-platform", "costCenter": "ML-300"}},
    )
    graph = run_program(config, stack="prod")
    assert graph.one("Instance").inputs["identifier"] == "aegis-eu-prod-mlflow"
    assert {name.removeprefix("alias/").startswith("aegis-eu-prod") for name in made(graph)} == {True}
