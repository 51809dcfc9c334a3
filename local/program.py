"""The Pulumi program of a stack: brought up with the engine's own command line, its progress shown, its outputs read.

The stack's passphrase is a fixed one, and the salt that goes with it is committed in the local stack's file: with a
passphrase made here, the engine would write its salt into that file of the repository. It protects nothing that the
permissions of the home don't: whoever reads the state can read the passphrase, and the cluster's keys, beside it.
"""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from local import paths, plugins
from local.errors import LocalError
from local.processes import log_file, write_whole
from local.progress import Step

# Goes with `encryptionsalt` in stacks/Pulumi.local.yaml.
PASSPHRASE = "aegis-local"  # noqa: S105 - not a secret, see above
LOG = "pulumi"
STACK_TYPE = "pulumi:pulumi:Stack"
TOOLS = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")

# A line of the engine's plain display that tells what became of a resource, such as
# ` +  kubernetes:apps/v1:Deployment mlflow created (12s)`.
_OUTCOME = re.compile(r"^ ?(?P<sign>[-+~]{1,2}) +(?P<type>\S+) (?P<name>\S+) (?P<outcome>\w+)(?: \((?P<took>[^)]*)\))?")
_DONE = ("created", "updated", "deleted", "replaced", "imported")
# The engine says so for each plugin that is on PATH, each time.
_PLUGIN_ON_PATH = re.compile(r"warning: using pulumi-resource-\S+ from \$PATH")
EXCERPT_LINES = 40
_BUSY = ("creating", "updating", "deleting", "replacing")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What an update did: how many resources it touched."""

    resources: int


def environment() -> dict[str, str]:
    """Return the variables with which the engine acts on this platform's state, and make what they name."""
    for folder in (state(), _pulumi_home()):
        folder.mkdir(parents=True, exist_ok=True)
        # Whoever made it: the state holds every secret, under a passphrase that anybody knows.
        folder.chmod(0o700)
    plugins.install(_pulumi_home())
    if not paths.passphrase().exists():
        write_whole(paths.passphrase(), PASSPHRASE, 0o600)
    return {
        "PULUMI_BACKEND_URL": f"file://{state()}",
        "PULUMI_HOME": str(_pulumi_home()),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(paths.passphrase()),
        # Nothing is fetched behind the user's back, and no command waits for a network that isn't there.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def path_entries() -> list[Path]:
    """Return the folders that the engine needs in front of PATH: this Python, and the tools."""
    return [paths.REPOSITORY / ".venv" / "bin", paths.bin_dir()]


def plugins_explained() -> str:
    """Return one line that tells which provider plugins the engine runs, and why."""
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
    _engine(env, "stack", "select", "--create", stack)
    return _update("up", stack, env, step)


def destroy(stack: str, env: Mapping[str, str], step: Step) -> Change:
    """Delete all that the stack has made and that is still there, and note each resource's outcome on `step`.

    Raises:
        LocalError: Something could not be deleted; names the engine's log.
    """
    return _update("destroy", stack, env, step, "--refresh")


def _update(verb: str, stack: str, env: Mapping[str, str], step: Step, *options: str) -> Change:
    log = log_file(LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    _unlock(stack, env)
    common = ("--yes", "--skip-preview", "--non-interactive", "--color", "never")
    argv = ["pulumi", verb, "--stack", stack, *common, *options]
    with (
        log.open("a") as output,
        subprocess.Popen(
            argv,
            cwd=paths.REPOSITORY,
            env=env,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Out of the terminal's reach: the engine takes a second interrupt for leave to forget what it was doing.
            start_new_session=True,
        ) as engine,
    ):
        touched = _follow(engine, output, step)
    if engine.returncode:
        raise LocalError(f"pulumi {verb} of the stack {stack} failed", log, _diagnosis(log.read_text()))
    return Change(resources=touched)


def _follow(engine: subprocess.Popen[str], log: TextIO, step: Step) -> int:
    """Log and show what the engine prints, and count the changes; an interrupt is passed on and its end waited for."""
    touched = 0
    lines = engine.stdout or ()
    try:
        for line in lines:
            log.write(line)
            log.flush()
            touched += _note(line, step)
    except KeyboardInterrupt:
        engine.send_signal(signal.SIGINT)
        log.writelines(lines)
        raise
    return touched


def _diagnosis(log: str) -> list[str]:
    """Return what the engine's log says of its failures: the section that it puts before the outputs and the counts."""
    _, _, rest = log.partition("\nDiagnostics:\n")
    section = re.split(r"^(?:Outputs|Resources):", rest, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.strip() and not _PLUGIN_ON_PATH.search(line)]
    return lines[:EXCERPT_LINES]


def _note(line: str, step: Step) -> int:
    """Show what a line tells of a resource; return 1 if that resource was changed."""
    found = _OUTCOME.match(line)
    if found is None or found["type"] == STACK_TYPE:
        return 0
    kind = found["type"].rpartition(":")[2]
    if found["outcome"] in _DONE:
        step.note(f"{kind} {found['name']} {found['outcome']}" + (f" in {found['took']}" if found["took"] else ""))
        return 1
    if found["outcome"] in _BUSY:
        step.glance(f"{kind} {found['name']} {found['outcome']}")
    return 0


def outputs(stack: str, env: Mapping[str, str], *, secrets: bool = False) -> dict[str, Any]:
    """Return the stack's outputs, without its secrets unless they are asked for; empty if it was never brought up."""
    if _checkpoint(stack) is None:
        return {}
    show = ["--show-secrets"] if secrets else []
    return json.loads(_engine(env, "stack", "output", "--json", "--stack", stack, *show))


def is_up(stack: str) -> bool:
    """Tell whether the stack has made anything that it hasn't destroyed again."""
    checkpoint = _checkpoint(stack)
    if checkpoint is None:
        return False
    latest = json.loads(checkpoint.read_text())["checkpoint"]["latest"] or {}
    return any(resource["type"] != STACK_TYPE for resource in latest.get("resources", ()))


def _checkpoint(stack: str) -> Path | None:
    """Return the file of the stack's state; None if it was never brought up."""
    return next((state() / ".pulumi" / "stacks").glob(f"*/{stack}.json"), None)


def _unlock(stack: str, env: Mapping[str, str]) -> None:
    """Take away the lock of an update whose process is gone: one that was killed leaves it behind.

    Raises:
        LocalError: The process is at work.
    """
    for lock in (state() / ".pulumi" / "locks").glob(f"*/*/{stack}/*.json"):
        holder = json.loads(lock.read_text())
        if holder["hostname"] != socket.gethostname() or Path(f"/proc/{holder['pid']}").exists():
            at_work = f"pulumi (process {holder['pid']} on {holder['hostname']}) is at work on the stack {stack}"
            raise LocalError(f"{at_work}: wait for it, or end it with `pulumi cancel`.")
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
