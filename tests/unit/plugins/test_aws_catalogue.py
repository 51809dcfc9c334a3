"""Every token, input and output of the plugin exists in the official package."""

import importlib
import inspect
import re
from pathlib import Path

import pulumi_aws
import pytest

from local.plugins.aws.catalogue import FUNCTIONS, KINDS


def official(token: str) -> type:
    match = re.fullmatch(r"aws:(\w+)/\w+:(\w+)", token)
    assert match is not None
    return getattr(importlib.import_module(f"pulumi_aws.{match[1]}"), match[2])


@pytest.mark.parametrize("token", sorted(KINDS))
def test_a_type_has_the_official_token_inputs_and_outputs(token: str) -> None:
    resource = official(token)
    assert resource.pulumi_type == token  # type: ignore[attr-defined] - of every resource of the package
    properties = inspect.getmembers(resource, lambda member: isinstance(member, property))
    names = {getattr(each.fget, "_pulumi_name", name) for name, each in properties}
    fields = KINDS[token].fields
    assert fields.inputs | set(fields.computed) <= names
    assert fields.replacing | fields.sets | fields.documents | fields.write_only <= fields.inputs


def test_the_functions_have_the_official_tokens() -> None:
    modules = ("ec2.get_vpc", "eks.get_cluster", "iam.get_open_id_connect_provider", "get_caller_identity")
    # Read instead of imported, because importing the module would shadow the function of the same name.
    package = Path(pulumi_aws.__file__).parent
    sources = [(package / f"{name.replace('.', '/')}.py").read_text() for name in modules]
    assert all(any(f"'{token}'" in source for source in sources) for token in FUNCTIONS)
