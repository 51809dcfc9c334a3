"""The import rules between the parts of `infra`: each part imports only the parts that the table allows."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
INFRA = ROOT / "infra"
CAPABILITIES = sorted(path.parent.name for path in INFRA.glob("capabilities/*/make.py"))

# For each part of infra: the pattern of its modules' names, and the other parts that they may import. The first pattern
# that matches decides.
PARTS: dict[str, tuple[str, set[str]]] = {
    "limits": (r"limits\b|infra$", set()),
    # Shared modules without an SDK, which settings may import.
    "pure components": (r"aws\.(emulation|database_authorities)$", {"limits"}),
    # The types of which sections are composed; "settings" is the whole.
    "section types": (r"settings\.(aws|capability|names|section)$", {"limits", "pure components"}),
    "sections": (r"capabilities\.\w+\.(settings|grants|alerts|cron)$", {"limits", "pure components", "section types"}),
    "settings": (r"settings\b", {"limits", "section types", "sections"}),
    "alerts": (r"alerts$", {"limits", "settings"}),
    "links": (r"links$", {"limits", "pure components"}),
    "components": (r"(aws|kube|vault)\b", {"limits", "pure components", "links"}),
    "providers": (r"providers$", {"limits", "pure components", "components", "sections", "settings"}),
    "context": (r"context$", {"limits", "components", "links", "providers", "settings"}),
    "capabilities": (
        r"capabilities\b",
        {"limits", "pure components", "components", "links", "providers", "context", "sections", "settings"},
    ),
    "startup": (r"startup\b", set()),
    "main": (r"__main__$", {"startup", "providers", "settings", "context", "capabilities"}),
}


def part(module: str) -> str:
    """Return the part of infra that a module belongs to."""
    name = module.removeprefix("infra.")
    return next(part for part, (pattern, _) in PARTS.items() if re.match(pattern, name))


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(INFRA.rglob("*.py")):
        names = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(names[:-1] if names[-1] == "__init__" else names), path


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports at run time, without those under TYPE_CHECKING."""
    tree = ast.parse(path.read_text())
    type_checking = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in (each for each in ast.walk(tree) if id(each) not in type_checking):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = (ROOT / Path(*inner.split("."))).with_suffix(".py").is_file()
                yield inner if is_module else node.module


def violations(module: str, path: Path) -> Iterator[str]:
    own = part(module)
    for imported in imports(path):
        if imported.split(".")[0] != "infra":
            continue
        other = part(imported)
        if other != own and other not in PARTS[own][1]:
            yield f"{module} ({own}) imports {imported} ({other})"


def test_imports_point_inward() -> None:
    assert [line for module, path in modules() for line in violations(module, path)] == []


def test_no_capability_imports_another() -> None:
    imports_of_others = [
        f"{module} imports {imported}"
        for module, path in modules()
        if module.startswith("infra.capabilities.")
        for imported in imports(path)
        if imported.startswith("infra.capabilities.") and imported.split(".")[2] != module.split(".")[2]
    ]
    assert imports_of_others == []


def test_every_capability_has_a_settings_and_a_make_module() -> None:
    folders = {path.name for path in (INFRA / "capabilities").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(CAPABILITIES)
    assert {path.parent.name for path in INFRA.glob("capabilities/*/settings.py")} == folders


def test_main_makes_each_capability_once() -> None:
    calls = [
        node.func.id
        for node in ast.walk(ast.parse((INFRA / "__main__.py").read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith("make_")
    ]
    assert sorted(calls) == [f"make_{capability}" for capability in CAPABILITIES]


@pytest.mark.parametrize("package", ["pulumi_aws", "pulumi_kubernetes", "pulumi_vault", "pulumi_random"])
def test_settings_are_checked_without_an_sdk(package: str) -> None:
    code = f"import sys, infra.settings.load, infra.settings.reference; sys.exit({package!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
