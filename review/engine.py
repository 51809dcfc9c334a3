"""Runs of the engine on a stack, with its whole output kept in a file."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from review.exits import Exit, ReviewError

# The policy pack's folder in the project. A stack may have a configuration for it beside the stack's file.
POLICY_PACK: Final = "policy"
_POLICY_CONFIG: Final = "policy.{stack}.json"
# Has the engine write events instead of one document. Only events report policies.
_EVENTS: Final = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
# The exit code of --expect-no-changes: https://github.com/pulumi/pulumi/blob/master/sdk/go/common/util/cmdutil/exit.go
_CHANGES_FOUND: Final = 7


def preview(project: Path, stack: str, recording: Path, plan: Path | None = None) -> None:
    """Record a preview of `pulumi up` with its policy violations. A failed preview is recorded, too.

    The engine also writes an update plan for `up` to the file `plan`, with secrets encrypted as in the state.

    Raises:
        ReviewError: The engine can't be started, or `recording` can't be written.
    """
    saved = ["--save-plan", str(plan)] if plan else []
    _record(project, _argv("preview", stack, "--json", *saved, *_policies(project, stack)), recording)


def refresh(project: Path, stack: str, recording: Path) -> None:
    """Record how the environment differs from the stack's state, without changing either.

    Raises:
        ReviewError: The engine can't be started, or `recording` can't be written.
    """
    _record(project, _argv("refresh", stack, "--json", "--preview-only", "--expect-no-changes"), recording)


def up(project: Path, stack: str, plan: Path) -> None:
    """Update a stack by the plan of a preview, showing the engine's output. A step outside of the plan fails.

    https://www.pulumi.com/docs/iac/operations/update-plans/

    Raises:
        ReviewError: The engine can't be started, or the update failed.
    """
    argv = _argv("up", stack, "--yes", "--skip-preview", "--plan", str(plan), *_policies(project, stack))
    if _run(project, argv).returncode:
        raise ReviewError(f"the update of the stack {stack} failed, see above", Exit.FAILED)


def _argv(command: str, stack: str, *arguments: str) -> list[str]:
    return ["pulumi", command, "--stack", stack, "--non-interactive", "--color", "never", *arguments]


def _policies(project: Path, stack: str) -> list[str]:
    config = project / "stacks" / _POLICY_CONFIG.format(stack=stack)
    configured = ["--policy-pack-config", str(config)] if config.is_file() else []
    return ["--policy-pack", str(project / POLICY_PACK), *configured]


def _record(project: Path, argv: list[str], recording: Path) -> None:
    """Write the engine's output to a file, with its stderr as one more event if it fails."""
    try:
        # Unbuffered, because the engine and this process both write to it.
        with recording.open("wb", buffering=0) as output:
            done = _run(project, argv, stdout=output.fileno(), stderr=subprocess.PIPE)
            stderr = (done.stderr or b"").decode(errors="replace").strip()
            if done.returncode not in (0, _CHANGES_FOUND) and stderr:
                event = {"sequence": -1, "diagnosticEvent": {"severity": "error", "message": stderr}}
                output.write(f"\n{json.dumps(event)}\n".encode())
    except OSError as error:
        raise ReviewError(f"{recording} can't be written ({error.strerror})", Exit.USAGE) from error


def _run(
    project: Path, argv: list[str], stdout: int | None = None, stderr: int | None = None
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(argv, cwd=project, env=os.environ | _EVENTS, stdout=stdout, stderr=stderr, check=False)
    except FileNotFoundError as error:
        raise ReviewError("there is no `pulumi` on PATH", Exit.USAGE) from error
