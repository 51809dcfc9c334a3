import json

import pytest

from local.toolchain import TOOLS
from local.toolchain.__main__ import main
from tests.unit.toolchain.support import Machine


def test_the_list_shows_the_path_of_each_tool_and_builds_nothing(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl = machine.has("kubectl", "v1.34.3")
    assert main(["--list", "--json", "kubectl", "vault"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["path"]) for row in rows] == [("kubectl", str(kubectl)), ("vault", "")]
    assert machine.calls("build") == []


def test_named_tools_are_built_and_their_paths_printed(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vault"]) == 0
    output = capsys.readouterr()
    assert str(machine.cache / "bin/vault") in output.out
    assert "Building vault: about" in output.err


def test_without_names_all_tools_are_listed_with_their_purpose(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.has("kubectl", "v1.34.3")
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(TOOLS)
    assert [line for line in lines if "not built yet" not in line] == [line for line in lines if "kubectl" in line]
    assert any(line.endswith("serves the Kubernetes API") for line in lines)
