"""The import rules between the parts of the repository, checked in the source of every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# The other parts of the repository that each part may import. A new part needs a line.
ALLOWED = {
    "aegis": set(),
    "contracts.py": set(),
    "engine_events.py": set(),
    "secret_forms.py": set(),
    "infra": {"contracts"},
    "workloads": {"aegis", "contracts"},
    "laptop": {"aegis", "contracts", "workloads"},
    "local": {"contracts", "engine_events", "secret_forms"},
    "policy": {"contracts", "secret_forms"},
    "review": {"contracts", "engine_events", "secret_forms"},
}
# These may import every part, and no part may import them.
OUTSIDE = {"tests", "benchmarks"}
PARTS = {Path(part).stem for part in ALLOWED} | OUTSIDE


def modules(part: str) -> list[Path]:
    path = ROOT / part
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(source: str) -> Iterator[str]:
    """Yield the top-level package of each absolute import, including nested imports and `import_module("name")`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(level=0, module=str(module)):
                yield module.partition(".")[0]
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield module.partition(".")[0]


def violations(part: str, source: str) -> set[str]:
    """Return the parts that a module of `part` imports but may not."""
    return set(imported(source)) & PARTS - ALLOWED[part] - {part}


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_allowed_parts(part: str) -> None:
    files = modules(part)
    assert files
    found = {str(file.relative_to(ROOT)): parts for file in files if (parts := violations(part, file.read_text()))}
    assert found == {}


def test_every_part_of_the_repository_has_a_rule() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {path.stem for path in ROOT.glob("*.py")}
    assert packages <= PARTS


@pytest.mark.parametrize(
    ("part", "source", "found"),
    [
        ("policy", "from infra.settings import load", {"infra"}),
        ("policy", "import review.comment", {"review"}),
        ("review", "def late():\n    from policy.rules import RULES", {"policy"}),
        ("review", "import importlib\nimportlib.import_module('workloads.cli')", {"workloads"}),
        ("infra", "if TYPE_CHECKING:\n    import policy", {"policy"}),
        ("local", "from review import recording", {"review"}),
        ("workloads", "import tests.support", {"tests"}),
        ("policy", "import contracts, secret_forms, json, pulumi\nfrom policy.rule import each", set()),
        ("review", "from .exits import Exit\nfrom reviewers import infra", set()),
    ],
)
def test_a_forbidden_import_is_found_however_it_is_written(part: str, source: str, found: set[str]) -> None:
    assert violations(part, source) == found
