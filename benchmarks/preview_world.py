"""The environment of the timed previews: a copy of the project with changeable stacks, and the servers they need."""

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
        """Return a non-interactive command of the engine."""
        return [self.pulumi, *arguments, "--non-interactive", "--color", "never"]

    def add_stack(self, name: str, **config: object) -> None:
        """Add a stack with the settings of `prod`, changed by `config`, and with secrets that need no KMS."""
        file = self.project / "stacks" / f"Pulumi.{name}.yaml"
        changes = {f"aegis:{key}": value for key, value in config.items()}
        file.write_text(yaml.safe_dump({"config": settings() | changes}))


def settings() -> dict[str, Any]:
    """Return the settings in the stack file of `prod`."""
    return yaml.safe_load(stacks.read(STACK).file.read_text())["config"]


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """Start the servers, and stop them at the end.

    Raises:
        LocalError: A tool isn't available, or a server doesn't come up.
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
            # As usual, Python compiles each file once: in the first round, which isn't counted.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        }
        yield World(pulumi=tools["pulumi"], project=project, environment=environment | own)
