"""A tiny Pulumi project with the real engine and the embedded plugins, in a folder of its own."""

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
    """The engine ended with an error; the message is all that it said."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an operation did."""

    # How many resources by what was done to them, such as `{"create": 3, "same": 1}`.
    counts: dict[str, int]
    # What was done to each resource by its name.
    steps: dict[str, str]
    # The places that differ, by the resource's name.
    differences: dict[str, set[str]]
    text: str


@dataclass(kw_only=True)
class Stack:
    """One stack with a state of its own; the program is replaced by `program`."""

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
        given = [f"{key}={value}" for key, value in values.items()]
        self._run("config", "set-all", *(part for text in given for part in ("--plaintext", text)))

    def up(self) -> Outcome:
        """Make the world as the program says."""
        return self._operate("up", "--yes", "--skip-preview")

    def preview(self) -> Outcome:
        """Tell what `up` would do."""
        return self._operate("preview")

    def refresh(self) -> Outcome:
        """Make the state as the world is."""
        return self._operate("refresh", "--yes", "--skip-preview")

    def destroy(self) -> Outcome:
        """Delete everything."""
        return self._operate("destroy", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        """Return the program's exports in plain text."""
        return json.loads(self._run("stack", "output", "--json", "--show-secrets"))

    def state(self) -> dict[str, Any]:
        """Return the resources of the state by their names, as they are stored."""
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
        done = subprocess.run(
            [self.pulumi, *arguments],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            message = f"pulumi {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            raise EngineError(message)
        return done.stdout

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
            # Shows `--event-log`.
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
        # A replacement is told as several steps, and a refresh first as one and then as what it found.
        steps[name] = "replace" if "replace" in step["op"] + steps.get(name, "") else step["op"]
        if step.get("detailedDiff"):
            differences.setdefault(name, set()).update(step["detailedDiff"])
    return Outcome(counts=dict(Counter(steps.values())), steps=steps, differences=differences, text=text)
