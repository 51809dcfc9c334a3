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
    "section types": (r"settings\.(aws|capability|cron|names|section)$", {"limits", "pure components"}),
    "sections": (r"capabilities\.\w+\.(settings|grants|alerts)$", {"limits", "pure components", "section types"}),
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


def imports(module: str, source: str) -> Iterator[str]:
    """Yield the modules that a module imports at run time, at any depth, without those for the type checker."""
    tree = ast.parse(source)
    type_checking = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for statement in branch.body
        for node in ast.walk(statement)
    }
    for node in (each for each in ast.walk(tree) if id(each) not in type_checking):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=base, names=names, level=level):
                # One dot is the package of the module, each further one its parent.
                above = module.split(".")[:-level] if level else []
                package = ".".join([*above, *([base] if base else [])])
                inner = [f"{package}.{alias.name}" for alias in names]
                yield from (name if is_module(name) else package for name in inner)
            case ast.Call(args=[ast.Constant(value=str(name)), *_]) if "import_module" in ast.unparse(node.func):
                yield name


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def reached(module: str, source: str, of: str) -> Iterator[str]:
    """Yield the attributes that a module reads of the imported package `of`, such as `infra.capabilities.database`."""
    if of not in imports(module, source):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == of:
            yield ast.unparse(node)


# What settings are checked with needs no SDK, so that a stack's first look-ups start early.
WITHOUT_SDK = {"limits", "pure components", "section types", "sections", "settings", "alerts"}
SDKS = r"pulumi_|boto3|botocore|kubernetes"


def violations(module: str, source: str) -> Iterator[str]:
    own = part(module)
    for imported in imports(module, source):
        if own in WITHOUT_SDK and re.match(SDKS, imported):
            yield f"{module} ({own}) imports {imported}"
        if imported == "infra" and module != "infra.__main__":
            yield f"{module} ({own}) imports the whole of infra"
        if not imported.startswith("infra."):
            continue
        other = part(imported)
        if other != own and other not in PARTS[own][1]:
            yield f"{module} ({own}) imports {imported} ({other})"


def neighbours(module: str, source: str) -> Iterator[str]:
    """Yield what a module of a capability takes of another one."""
    if not module.startswith("infra.capabilities."):
        return
    own = module.split(".")[2]
    for name in (*imports(module, source), *reached(module, source, "infra.capabilities")):
        if name.startswith("infra.capabilities.") and name.split(".")[2] != own:
            yield f"{module} imports {name}"


def test_imports_point_inward() -> None:
    assert [line for module, path in modules() for line in violations(module, path.read_text())] == []


def test_no_capability_imports_another() -> None:
    assert [line for module, path in modules() for line in neighbours(module, path.read_text())] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("infra.limits.buckets", "from infra import kube"),
        ("infra.limits.buckets", "from ..settings.model import Settings"),
        ("infra.limits.buckets", "import infra"),
        ("infra.limits.buckets", "def late():\n    import pulumi_aws"),
        ("infra.aws.bucket", "from ..capabilities.artifacts.make import make_artifacts"),
        ("infra.capabilities.backup.settings", "import boto3"),
        (
            "infra.capabilities.backup.settings",
            "if TYPE_CHECKING:\n    pass\nelse:\n    from infra.context import Context",
        ),
        ("infra.capabilities.backup.settings", "import importlib\nimportlib.import_module('infra.context')"),
    ],
)
def test_an_import_that_points_outward_is_found_however_it_is_written(module: str, source: str) -> None:
    assert list(violations(module, source)) != []


@pytest.mark.parametrize(
    "source",
    [
        "from infra.capabilities import database",
        "import infra.capabilities.database.make as make",
        "import infra.capabilities\nother = infra.capabilities.database",
        "from ..database.make import make_database",
        "from ..database import make",
        "def late():\n    import_module('infra.capabilities.database.make')",
    ],
)
def test_an_import_of_another_capability_is_found_however_it_is_written(source: str) -> None:
    assert list(neighbours("infra.capabilities.backup.make", source)) != []


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
