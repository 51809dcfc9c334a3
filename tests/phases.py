"""Runs every check in phases, each with its time: what `make test` and the CI call.

The platform under test has a state folder of its own, so that it can be destroyed without touching the user's platform.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One step of the whole test run: `argv` are arguments to this environment's Python."""

    name: str
    argv: tuple[str, ...]
    # Run even after a failure: it cleans up.
    always: bool = False


# The slowest tests are named, as the whole run has a limit.
PYTEST = ("-m", "pytest", "-q", "--durations=8", "--durations-min=5")
# Runs by itself, on a stack that takes the place of the one that the other tests of the platform are for.
CI_STACK = "tests/platform/test_ci_stack.py"
PHASES = (
    Phase(name="format", argv=("-m", "ruff", "format", "--check", "-q", ".")),
    Phase(name="lint", argv=("-m", "ruff", "check", "-q", ".")),
    Phase(name="types", argv=("-m", "pyright")),
    # The client library also runs on older versions of Python.
    Phase(name="client types", argv=("-m", "pyright", "--pythonversion", "3.10", "aegis")),
    Phase(name="unit", argv=(*PYTEST, "-n", "2", "tests/unit", "tests/program")),
    Phase(name="cluster", argv=("-m", "local.up", "--cluster-only")),
    # Each worker has servers of its own, and two keep two cores busy.
    Phase(name="engine", argv=(*PYTEST, "-n", "2", "--dist", "loadfile", "tests/engine")),
    Phase(name="up", argv=("-m", "local.up")),
    Phase(name="platform", argv=(*PYTEST, "tests/platform", f"--ignore={CI_STACK}")),
    # From outside: a browser, clients and curl, on this machine, behind a proxy with TLS, and in namespaces.
    Phase(name="journeys", argv=(*PYTEST, "tests/journeys")),
    Phase(name="destroy", argv=("-m", "local.destroy")),
    Phase(name="up ci", argv=("-m", "local.up", "--stack", "ci")),
    Phase(name="platform ci", argv=(*PYTEST, CI_STACK)),
    Phase(name="clean", argv=("-m", "local.clean"), always=True),
)


def main() -> int:
    """Run the phases in order, stop at the first that fails, and print the time of each."""
    env = os.environ | {"AEGIS_HOME": str(Path.home() / ".local/state/aegis-test"), "PYTHONPATH": str(ROOT)}
    rows: list[tuple[str, str, float]] = []
    failed = False
    for phase in PHASES:
        if failed and not phase.always:
            rows.append((phase.name, "not run", 0.0))
            continue
        print(f"\n=== {phase.name} ===", flush=True)
        began = time.monotonic()
        code = subprocess.run((sys.executable, *phase.argv), cwd=ROOT, env=env, check=False).returncode
        rows.append((phase.name, "passed" if code == 0 else f"FAILED ({code})", time.monotonic() - began))
        failed |= code != 0
    print("\n=== times ===")
    for name, result, seconds in rows:
        print(f"{name:11} {result:12} {seconds:7.1f} s")
    print(f"{'total':11} {'':12} {sum(seconds for _, _, seconds in rows):7.1f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
