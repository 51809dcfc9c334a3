"""Runs the engine on a stack: what it writes is kept in a file, whole."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.review.exits import Exit, ReviewError

# Of the project: the policies of every stack, and what they are told about one.
POLICY_PACK: Final = Path("infra") / "policy"
_POLICY_CONFIG: Final = "policy.{stack}.json"
# Events instead of one document: only they tell of policies.
_EVENTS: Final = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}


def preview(project: Path, stack: str, recording: Path) -> None:
    """Write what `pulumi up` would do, and what the policies say of it.

    Raises:
        ReviewError: The engine can't be started, or failed before it said anything; `recording` is empty then.
    """
    _record(project, recording, "preview", "--stack", stack, *_policies(project, stack))


def refresh(project: Path, stack: str, recording: Path) -> None:
    """Write how the environment differs from the stack's state; nothing is changed.

    Raises:
        ReviewError: The engine can't be started, or failed before it said anything.
    """
    _record(project, recording, "refresh", "--stack", stack, "--preview-only", "--expect-no-changes")


def up(project: Path, stack: str) -> None:
    """Apply the stack's program, with the engine's own output.

    Raises:
        ReviewError: The update failed.
    """
    argv = _argv("up", "--stack", stack, "--yes", "--skip-preview", *_policies(project, stack))
    if _run(project, argv).returncode:
        raise ReviewError(f"the update of the stack {stack} failed: see above", Exit.FAILED)


def _policies(project: Path, stack: str) -> list[str]:
    config = project / "stacks" / _POLICY_CONFIG.format(stack=stack)
    configured = ["--policy-pack-config", str(config)] if config.is_file() else []
    return ["--policy-pack", str(project / POLICY_PACK), *configured]


def _record(project: Path, recording: Path, *arguments: str) -> None:
    argv = _argv(*arguments, "--json")
    try:
        with recording.open("wb") as output:
            done = _run(project, argv, stdout=output.fileno(), stderr=subprocess.PIPE)
    except OSError as error:
        raise ReviewError(f"{recording} can't be written ({error.strerror})", Exit.USAGE) from error
    if done.returncode and not recording.stat().st_size:
        raise ReviewError(f"`{' '.join(argv)}` failed: {done.stderr.decode().strip()}", Exit.FAILED)


def _argv(*arguments: str) -> list[str]:
    return ["pulumi", *arguments, "--non-interactive", "--color", "never"]


def _run(
    project: Path, argv: Sequence[str], stdout: int | None = None, stderr: int | None = None
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(argv, cwd=project, env=os.environ | _EVENTS, stdout=stdout, stderr=stderr, check=False)
    except FileNotFoundError as error:
        raise ReviewError("there is no `pulumi` on PATH", Exit.USAGE) from error
