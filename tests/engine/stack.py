"""A small Pulumi project in a separate folder, with the real engine and the embedded plugins."""

import json
import os
import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import plugins


class EngineError(Exception):
    """The engine failed. The message contains its whole output."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of an operation."""

    # The number of resources for each kind of step, such as `{"create": 3, "same": 1}`.
    counts: dict[str, int]
    # The kind of step for each resource name.
    steps: dict[str, str]
    # The paths that differ, by resource name.
    differences: dict[str, set[str]]
    text: str


@dataclass(kw_only=True)
class Stack:
    """A stack with its own state. `program` sets its program."""

    folder: Path
    pulumi: Path
    # Environment variables of the engine beside those that each stack has.
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "state").mkdir(parents=True)
        plugins.install(self.folder / "home")
        (self.folder / "Pulumi.yaml").write_text("name: test\nruntime: python\n")
        self._run("stack", "init", "test")

    def program(self, text: str) -> None:
        """Write the program."""
        (self.folder / "__main__.py").write_text(textwrap.dedent(text))

    def config(self, **values: str) -> None:
        """Set configuration values."""
        settings = [f"{key}={value}" for key, value in values.items()]
        self._run("config", "set-all", *(part for text in settings for part in ("--plaintext", text)))

    def up(self) -> Outcome:
        """Deploy the program."""
        return self._operate("up", "--yes", "--skip-preview")

    def preview(self) -> Outcome:
        """Preview the next `up`."""
        return self._operate("preview")

    def refresh(self) -> Outcome:
        """Update the state from the actual resources."""
        return self._operate("refresh", "--yes", "--skip-preview")

    def destroy(self) -> Outcome:
        """Delete everything."""
        return self._operate("destroy", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        """Return the program's exports, with secrets in plain text."""
        return json.loads(self._run("stack", "output", "--json", "--show-secrets"))

    def state(self) -> dict[str, Any]:
        """Return the resources in the state by name, as they are stored."""
        resources = json.loads(self._run("stack", "export"))["deployment"].get("resources", [])
        return {each["urn"].rsplit("::", 1)[-1]: each for each in resources}

    def run(self, *arguments: str) -> str:
        """Run any command of the engine's CLI."""
        return self._run(*arguments)

    def _operate(self, *arguments: str) -> Outcome:
        events_file = self.folder / "events.jsonl"
        events_file.unlink(missing_ok=True)
        text = self._run(*arguments, "--non-interactive", "--event-log", str(events_file))
        return _outcome([json.loads(line) for line in events_file.read_text().splitlines()], text)

    def _run(self, *arguments: str) -> str:
        process = subprocess.run(
            [self.pulumi, *arguments],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            message = (
                f"pulumi {' '.join(arguments)} exited with {process.returncode}:\n{process.stdout}\n{process.stderr}"
            )
            raise EngineError(message)
        return process.stdout

    def _environment(self) -> dict[str, str]:
        python = Path(sys.executable).parent
        path = [python, self.pulumi.parent, os.environ["PATH"]]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "VAULT_"))}
        own = {
            "PATH": os.pathsep.join(str(each) for each in path),
            "VIRTUAL_ENV": str(python.parent),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            # Enables `--event-log`.
            "PULUMI_DEBUG_COMMANDS": "true",
            "KUBECONFIG": "/nonexistent",
        }
        return inherited | own | self.variables


def _outcome(events: list[dict[str, Any]], text: str) -> Outcome:
    steps: dict[str, str] = {}
    differences: dict[str, set[str]] = {}
    for event in events:
        step = (event.get("resourcePreEvent") or event.get("resOutputsEvent") or {}).get("metadata")
        if not step or step["type"].startswith("pulumi:"):
            continue
        name = step["urn"].rsplit("::", 1)[-1]
        # A replacement has several steps. A refresh first reports a step `refresh`, then what it found.
        steps[name] = "replace" if "replace" in step["op"] + steps.get(name, "") else step["op"]
        if step.get("detailedDiff"):
            differences.setdefault(name, set()).update(step["detailedDiff"])
    return Outcome(counts=dict(Counter(steps.values())), steps=steps, differences=differences, text=text)
