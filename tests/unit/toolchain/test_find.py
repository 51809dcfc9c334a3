import os

import pytest

from local import toolchain
from local.errors import LocalError
from tests.unit.toolchain.support import Machine


def test_a_tool_on_path_in_an_accepted_version_is_used_and_nothing_is_built(machine: Machine) -> None:
    kubectl = machine.has("kubectl", "Client Version: v1.35.0")
    assert toolchain.ensure("kubectl") == {"kubectl": kubectl}
    assert machine.calls("build") == []


@pytest.mark.parametrize("output", ["Client Version: v1.32.4-dispatcher", "Client Version: v1.36.0", "no version"])
def test_a_tool_on_path_in_another_version_isnt_used(machine: Machine, output: str) -> None:
    machine.has("kubectl", output)
    assert toolchain.missing("kubectl") == ["kubectl"]
    assert toolchain.ensure("kubectl") == {"kubectl": machine.cache / "bin/kubectl"}


def test_a_tool_for_an_image_is_never_taken_from_path(machine: Machine) -> None:
    machine.has("vault", "Vault v1.21.0")
    assert toolchain.missing("vault") == ["vault"]


def test_the_language_host_is_only_used_beside_an_accepted_engine(machine: Machine) -> None:
    machine.has("pulumi-language-python", "")
    assert toolchain.missing("pulumi-language-python") == ["pulumi-language-python"]
    machine.has("pulumi", "v3.251.0")
    assert toolchain.missing("pulumi-language-python") == []


def test_the_folder_of_built_tools_on_path_doesnt_count(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    toolchain.ensure("kubectl")
    (machine.cache / "bin/kubectl").write_text("#!/bin/sh\necho v1.34.9\n")
    (machine.cache / "bin/.recipes/kubectl").write_text("another recipe")
    monkeypatch.setenv("PATH", f"{machine.cache / 'bin'}{os.pathsep}{machine.programs}")
    assert toolchain.missing("kubectl") == ["kubectl"]


def test_an_unknown_tool_is_refused_with_the_known_ones(machine: Machine) -> None:
    with pytest.raises(LocalError, match=r"No such tool: kubektl. The tools are .*kubectl"):
        toolchain.ensure("kubektl")
