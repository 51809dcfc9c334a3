import re

import pytest

from local.toolchain.catalogue import MODULES, TOOLS, module_of
from local.toolchain.model import Accepted, Module, Tool

ACCEPTED = [tool for tool in TOOLS.values() if tool.accepted]


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_each_tool_is_pinned_in_the_go_mod_of_its_module(tool: Tool) -> None:
    module = module_of(tool)
    if tool.source:
        assert re.fullmatch(r"v\d+\.\d+\.\d+", module.version(tool))
    if tool.package:
        assert re.search(rf"^(tool )?\s*{re.escape(tool.package)}$", module.go_mod(), re.MULTILINE)


@pytest.mark.parametrize("tool", ACCEPTED, ids=lambda tool: tool.name)
def test_the_pinned_version_is_among_those_accepted_on_path(tool: Tool) -> None:
    major, minor, _ = module_of(tool).version(tool).removeprefix("v").split(".")
    assert tool.accepted is not None
    assert tool.accepted.at_least <= (int(major), int(minor)) < tool.accepted.below


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.folder)
def test_each_module_has_the_checksums_of_what_it_requires(module: Module) -> None:
    sums = (module.path / "go.sum").read_text()
    for tool in module.tools:
        if tool.source:
            assert f"{tool.source} {module.version(tool)} h1:" in sums


def test_every_kubernetes_module_has_the_release_that_is_built() -> None:
    module = module_of(TOOLS["kubelet"])
    release = module.version(TOOLS["kubelet"]).removeprefix("v1.")
    replaced = re.findall(r"^\s(k8s.io/\S+) => \1 v0\.(\S+)$", module.go_mod(), re.MULTILINE)
    assert len(replaced) > 20
    assert {version for _, version in replaced} == {release}


def test_an_empty_range_of_versions_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at_least must be less than below \(\(1, 0\)\), got \(2, 0\)"):
        Accepted(at_least=(2, 0), below=(1, 0))


def test_a_tool_with_neither_package_nor_script_is_refused() -> None:
    with pytest.raises(ValueError, match="hammer must have either a package or a script, got '' and ''"):
        Tool(name="hammer", purpose="drives nails", about_seconds=1)
