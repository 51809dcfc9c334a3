"""Imports point inward: each part of `infra` imports only the parts that the table allows it."""

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

# By part of infra, how its modules are called, and the parts that they may import beside their own. The first pattern
# that matches decides.
PARTS: dict[str, tuple[str, set[str]]] = {
    "limits": (r"limits\b|infra$", set()),
    # Bricks that import no SDK, which settings may use.
    "pure bricks": (r"aws\.(emulation|database_authorities)$", {"limits"}),
    # What sections are made of, as against the whole of the settings.
    "section types": (r"settings\.(aws|capability|names|section)$", {"limits", "pure bricks"}),
    "sections": (r"capabilities\.\w+\.(settings|grants|alerts|cron)$", {"limits", "pure bricks", "section types"}),
    "settings": (r"settings\b", {"limits", "section types", "sections"}),
    "alerts": (r"alerts$", {"limits", "settings"}),
    "links": (r"links$", {"limits", "pure bricks"}),
    "bricks": (r"(aws|kube|vault)\b", {"limits", "pure bricks", "links"}),
    "providers": (r"providers$", {"limits", "pure bricks", "bricks", "sections", "settings"}),
    "context": (r"context$", {"limits", "bricks", "links", "providers", "settings"}),
    "capabilities": (
        r"capabilities\b",
        {"limits", "pure bricks", "bricks", "links", "providers", "context", "sections", "settings"},
    ),
    "startup": (r"startup\b|on_demand$", set()),
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
    """Yield the modules that a file imports when it runs: not those that only its type checker sees."""
    tree = ast.parse(path.read_text())
    unseen = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in (each for each in ast.walk(tree) if id(each) not in unseen):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = (ROOT / Path(*inner.split("."))).with_suffix(".py").is_file()
                yield inner if is_module else node.module


def broken(module: str, path: Path) -> Iterator[str]:
    own = part(module)
    for imported in imports(path):
        if imported.split(".")[0] != "infra":
            continue
        other = part(imported)
        if other != own and other not in PARTS[own][1]:
            yield f"{module} ({own}) imports {imported} ({other})"


def test_imports_point_inward() -> None:
    assert [line for module, path in modules() for line in broken(module, path)] == []


def test_no_capability_imports_another() -> None:
    found = [
        f"{module} imports {imported}"
        for module, path in modules()
        if module.startswith("infra.capabilities.")
        for imported in imports(path)
        if imported.startswith("infra.capabilities.") and imported.split(".")[2] != module.split(".")[2]
    ]
    assert found == []


def test_every_capability_has_its_settings_and_its_make() -> None:
    folders = {path.name for path in (INFRA / "capabilities").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(CAPABILITIES)
    assert {path.parent.name for path in INFRA.glob("capabilities/*/settings.py")} == folders


def test_a_capability_s_make_is_called_once_in_main() -> None:
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
