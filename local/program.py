"""The Pulumi program of a stack: run `pulumi up` and `pulumi destroy` on it, show their progress, read its outputs.

The stack's passphrase is fixed, and its salt is committed in the file of the stack `local`: with a generated
passphrase, the engine would write a new salt into that file of the repository. The passphrase protects nothing beyond
the permissions of the home: anyone who can read the state can also read a passphrase file and the cluster's keys.
"""

import json
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine_events
from local import paths, plugins, updates
from local.errors import LocalError
from local.processes import log_file, write_whole
from local.progress import Step
from local.updates import Update

# Matches `encryptionsalt` in stacks/Pulumi.local.yaml.
PASSPHRASE = "aegis-local"  # noqa: S105 - not a secret, see above
LOG = "pulumi"
TOOLS = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Result of an update: how many resources it changed."""

    resources: int


def environment() -> dict[str, str]:
    """Return the variables with which the engine acts on this platform's state; nothing is created."""
    return {
        "PULUMI_BACKEND_URL": f"file://{state()}",
        "PULUMI_HOME": str(_pulumi_home()),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(paths.passphrase()),
        # No downloads behind the user's back, and no wait for a network that may be missing.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def prepare() -> None:
    """Create the files that `environment` names, and link the embedded plugins to this checkout.

    Only commands that run the program do this. `make status` and `make env` change nothing.
    """
    for folder in (state(), _pulumi_home()):
        folder.mkdir(parents=True, exist_ok=True)
        # Also if it existed before: the state holds every secret, encrypted with a passphrase that is public.
        folder.chmod(0o700)
    plugins.install(_pulumi_home())
    if not paths.passphrase().exists():
        write_whole(paths.passphrase(), PASSPHRASE, 0o600)


def path_entries() -> list[Path]:
    """Return the folders that the engine needs at the front of PATH: this Python, and the tools."""
    return [paths.REPOSITORY / ".venv" / "bin", paths.bin_dir()]


def plugins_explained() -> str:
    """Return one line that says which provider plugins the engine runs, and why."""
    return plugins.explanation(_pulumi_home())


def state() -> Path:
    """Return the folder of the engine's state."""
    return paths.pulumi() / "state"


def _pulumi_home() -> Path:
    return paths.pulumi() / "home"


def up(stack: str, env: Mapping[str, str], step: Step) -> Change:
    """Bring the stack to what the program says, and note each resource's outcome on `step`.

    Raises:
        LocalError: The update failed; names the engine's log.
    """
    prepare()
    _engine(env, "stack", "select", "--create", stack)
    return _update("up", stack, env, step)


def destroy(stack: str, env: Mapping[str, str], step: Step) -> Change:
    """Delete every resource of the stack that still exists, and note each resource's outcome on `step`.

    Raises:
        LocalError: Something could not be deleted; names the engine's log.
    """
    prepare()
    return _update("destroy", stack, env, step, "--refresh")


def _update(verb: str, stack: str, env: Mapping[str, str], step: Step, *options: str) -> Change:
    log = log_file(LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    _unlock(stack, env)
    # The event log contains secrets, and the state folder is private.
    events = state() / "events.jsonl"
    common = ("--yes", "--skip-preview", "--non-interactive", "--color", "never", "--event-log", str(events))
    # A killed run leaves it behind.
    events.unlink(missing_ok=True)
    try:
        with (
            log.open("w") as output,
            subprocess.Popen(
                ["pulumi", verb, "--stack", stack, *common, *options],
                cwd=paths.REPOSITORY,
                # The engine takes `--event-log` only with this.
                env={**env, "PULUMI_DEBUG_COMMANDS": "true"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Out of the terminal's reach: on a second interrupt the engine would end without saving its state.
                start_new_session=True,
            ) as engine,
        ):
            update = _follow(engine, events, step)
    finally:
        events.unlink(missing_ok=True)
    if engine.returncode:
        raise LocalError(f"pulumi {verb} of the stack {stack} failed", log, update.diagnosis())
    return Change(resources=len(update.changed))


def _follow(engine: subprocess.Popen[bytes], events: Path, step: Step) -> Update:
    """Show what the engine does until it ends; pass an interrupt on to it and wait for its end."""
    update = Update()
    try:
        for event in updates.follow(events, lambda: engine.poll() is None):
            update.take(event, step)
    except KeyboardInterrupt:
        engine.send_signal(signal.SIGINT)
        engine.wait()
        raise
    return update


def outputs(stack: str, env: Mapping[str, str], *, secrets: bool = False) -> dict[str, Any]:
    """Return the stack's outputs, with secrets masked unless `secrets` is set; empty if the stack was never up."""
    if _checkpoint(stack) is None:
        return {}
    show = ["--show-secrets"] if secrets else []
    return json.loads(_engine(env, "stack", "output", "--json", "--stack", stack, *show))


def is_up(stack: str) -> bool:
    """Return whether the stack has resources."""
    checkpoint = _checkpoint(stack)
    if checkpoint is None:
        return False
    latest = json.loads(checkpoint.read_text())["checkpoint"]["latest"] or {}
    return any(resource["type"] != engine_events.STACK_TYPE for resource in latest.get("resources", ()))


def _checkpoint(stack: str) -> Path | None:
    """Return the file of the stack's state; None if the stack was never up."""
    return next((state() / ".pulumi" / "stacks").glob(f"*/{stack}.json"), None)


def _unlock(stack: str, env: Mapping[str, str]) -> None:
    """Remove the lock that a killed update left behind.

    Raises:
        LocalError: The process that holds the lock still runs.
    """
    for lock in (state() / ".pulumi" / "locks").glob(f"*/*/{stack}/*.json"):
        holder = json.loads(lock.read_text())
        if holder["hostname"] != socket.gethostname() or Path(f"/proc/{holder['pid']}").exists():
            working = f"pulumi (process {holder['pid']} on {holder['hostname']}) is working on the stack {stack}"
            raise LocalError(f"{working}: wait for it, or end it with `pulumi cancel`.")
        _engine(env, "cancel", "--yes", "--stack", stack)


def _engine(env: Mapping[str, str], *arguments: str) -> str:
    result = subprocess.run(
        ["pulumi", *arguments, "--non-interactive", "--color", "never"],
        cwd=paths.REPOSITORY,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise LocalError(f"`pulumi {' '.join(arguments)}` failed: {result.stderr.strip()}")
    return result.stdout
