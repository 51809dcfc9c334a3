"""Where the previews are timed: a copy of the project whose stacks may be changed, beside the servers they need."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local import paths, plugins, preview, program, stacks, toolchain

STACK = "prod"


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """The engine, its environment, and the copy of the project."""

    pulumi: Path
    project: Path
    environment: Mapping[str, str]

    def argv(self, *arguments: str) -> list[str | Path]:
        """Return a command of the engine, as a machine runs it."""
        return [self.pulumi, *arguments, "--non-interactive", "--color", "never"]

    def add_stack(self, name: str, **config: object) -> None:
        """Add a stack that is `prod` but for some of its settings, and for its secrets, which need no KMS."""
        file = self.project / "stacks" / f"Pulumi.{name}.yaml"
        given = {f"aegis:{key}": value for key, value in config.items()}
        file.write_text(yaml.safe_dump({"config": settings() | given}))


def settings() -> dict[str, Any]:
    """Return what the file of `prod` sets."""
    return yaml.safe_load(stacks.read(STACK).file.read_text())["config"]


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """Bring the servers up, and take them down again.

    Raises:
        LocalError: A tool can't be had, or a server doesn't come up.
    """
    tools = toolchain.ensure(*program.TOOLS, *preview.SERVERS)
    project = folder / "project"
    (project / "stacks").mkdir(parents=True)
    shutil.copy(paths.REPOSITORY / "Pulumi.yaml", project)
    (project / "infra").symlink_to(paths.REPOSITORY / "infra")
    home = folder / "home"
    plugins.install(home)
    with preview.stand_ins(stacks.read(STACK), folder, tools) as environment:
        own = {
            "PULUMI_HOME": str(home),
            # Compiled once, as everywhere: the first round, which isn't counted, fills it.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        }
        yield World(pulumi=tools["pulumi"], project=project, environment=environment | own)
