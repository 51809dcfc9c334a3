"""The check of the settings covers every name that a stack uses in AWS."""

import json
from pathlib import Path

import pytest

from infra.capabilities.backup.settings import Backup
from infra.settings.load import parse
from infra.settings.names_in_aws import names
from tests.program.conftest import stack_graph, surround
from tests.support.engine import ROOT, Graph, run_program, stack_config

STACKS = ("ci", "dev", "staging", "prod")
# Kinds whose names Pulumi generates, or that are the same in every environment.
GENERATED = {"ParameterGroup", "SubnetGroup", "SecurityGroup", "RolePolicy", "LogGroup"}


def chosen_names(graph: Graph) -> set[str]:
    """Return the names in AWS that the program chooses."""
    return {
        each.inputs[key]
        for each in graph.custom()
        if each.type.startswith("aws:") and each.kind not in GENERATED
        for key in ("bucket", "identifier", "name")
        if isinstance(each.inputs.get(key), str) and not each.inputs[key].endswith("-id")
    }


@pytest.mark.parametrize("stack", STACKS)
def test_every_name_that_the_program_chooses_was_checked(
    stack: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    surround(monkeypatch, tmp_path)
    path = ROOT / "stacks" / f"Pulumi.{stack}.yaml"
    sections = {
        key.removeprefix("aegis:"): json.loads(value)
        for key, value in stack_config(path).items()
        if key.startswith("aegis:") and value != "{}"
    }
    sections["cluster"] |= {"kubeconfig": str(tmp_path / "kubeconfig")} if stack == "ci" else {}
    sections.setdefault("images", json.loads((tmp_path / "images.json").read_text()))
    sections["images"].pop("pause", None)
    sections["aws"]["endpoint"] = "http://127.0.0.1:5555"
    settings = parse(sections, "aegis", stack)
    assert settings.environment is not None
    assert settings.aws is not None
    checked = {make() for _, _, make in names(settings, settings.aws.account("aegis", settings.environment))}
    assert chosen_names(stack_graph(path)) - checked == set()


def test_an_environment_with_a_hyphen_keeps_it_in_all_of_its_names(surroundings: None) -> None:
    config = stack_config(
        ROOT / "stacks" / "Pulumi.prod.yaml",
        {"aegis:environment": {"name": "eu-prod", "owner": "ml-platform", "costCenter": "ML-300"}},
    )
    graph = run_program(config, stack="prod")
    assert graph.one("Instance").inputs["identifier"] == "aegis-eu-prod-mlflow"
    assert {name.removeprefix("alias/").startswith("aegis-eu-prod") for name in chosen_names(graph)} == {True}


def test_a_role_that_no_section_declares_is_refused(surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backup, "identities", lambda _self, _settings: iter(()))
    with pytest.raises(ValueError, match="mlflow-backup must yield it from `identities`"):
        run_program(stack_config(ROOT / "stacks" / "Pulumi.prod.yaml"), stack="prod")
