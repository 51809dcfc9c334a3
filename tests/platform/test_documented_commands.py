"""The commands of the README and the guides, run as written and in their order, as a reader would.

They run in copies of the checkout: on the stack `local` of `make up`, or in the empty AWS account of `make preview`.
tests/support/document_claims.py assigns each command to one of these, with replacements for values that differ by
machine.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from local import preview, program, stacks, toolchain
from tests.support import documents
from tests.support.document_claims import Name, Run, World, claims_on
from tests.support.documents import Command

LEFT_OUT = (".git", ".venv", "node_modules", "__pycache__", ".*_cache", ".hypothesis")
# The README's first step, which the guides assume.
ENVIRONMENT = 'eval "$(make -s env)"'
COMMANDS = [command for document in documents.documents() for command in documents.commands(document)]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A copy of the checkout in which commands run, and their environment variables."""

    folder: Path
    variables: dict[str, str]


class Shell:
    """A bash process that keeps variables, functions and the working folder from one command to the next."""

    def __init__(self, place: Place) -> None:
        self._log = place.folder.with_name("output.log")
        self._bash = subprocess.Popen(
            ["bash"],
            cwd=place.folder,
            env={**place.variables, "CHECKOUT": str(documents.ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.run("set -o pipefail")

    def run(self, text: str) -> tuple[str, str]:
        """Run a command and return its exit code, "" if it ended the shell, and its output."""
        assert self._bash.stdin
        assert self._bash.stdout
        self._bash.stdin.write(f"{{\n{text}\n}} >'{self._log}' 2>&1 </dev/null; echo $?\n")
        self._bash.stdin.flush()
        return self._bash.stdout.readline().strip(), self._log.read_text()

    def close(self) -> None:
        """Kill the shell and all its processes."""
        os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.communicate()


def copy_of_the_checkout(folder: Path) -> Path:
    """Return a writable copy, with the Python environment of the checkout."""
    copy = folder / "aegis"
    shutil.copytree(documents.ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for file in copy.rglob("*"):
        # Older than the environment, or `make` would create it again.
        os.utime(file, (0, 0))
    (copy / ".venv").symlink_to((documents.ROOT / ".venv").resolve())
    return copy


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[World, Place]]:
    assert program.is_up("local"), "the stack local is not up: `make up` comes first"
    toolchain.ensure("cosign", "vault")
    tools = toolchain.ensure(*program.TOOLS, *preview.SERVERS)
    variables_of_a_shell = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    folders = {world: copy_of_the_checkout(tmp_path_factory.mktemp(world)) for world in ("platform", "account")}
    with preview.stand_ins(stacks.read("prod"), tmp_path_factory.mktemp("stand-ins"), tools) as variables:
        platform = Place(folder=folders["platform"], variables=variables_of_a_shell)
        shell = Shell(platform)
        # `make up` leaves this stack selected.
        assert shell.run(f"{ENVIRONMENT} && pulumi stack select local")[0] == "0"
        shell.close()
        yield {"platform": platform, "account": Place(folder=folders["account"], variables=variables)}


@pytest.fixture
def shells(places: dict[World, Place]) -> Iterator[dict[World, Shell]]:
    with ExitStack() as stack:
        opened: dict[World, Shell] = {}
        for world, place in places.items():
            opened[world] = Shell(place)
            stack.callback(opened[world].close)
        yield opened


def trouble(shell: Shell, command: Command, claim: Run) -> str:
    """Run a command between the claim's own lines and return a description of its failure, "" if it succeeds."""
    text = command.text
    for written, replacement in claim.instead.items():
        text = text.replace(written, replacement)
    for part, answers in ((claim.before, ()), (text, claim.answers), (claim.after, ())):
        code, output = shell.run(part) if part else ("0", "")
        if code != "0":
            return f"{command.place}\n`{part}` exited with {code or 'the shell'}:\n{output[-3000:]}"
        for answer in answers:
            if not re.search(answer, output, re.MULTILINE):
                return f"{command.place}\nprinted nothing like {answer!r}:\n{output[-3000:]}"
    return ""


def runs() -> dict[str, list[tuple[Command, Run]]]:
    """Return the commands to run by document: each command once, from a code block rather than from a sentence."""
    chosen: dict[str, Command] = {}
    for command in sorted(COMMANDS, key=lambda command: command.in_text):
        chosen.setdefault(command.key, command)
    found: dict[str, list[tuple[Command, Run]]] = {}
    for command in COMMANDS:
        (claim,) = claims_on(command)
        if isinstance(claim, Run) and chosen[command.key] is command:
            found.setdefault(command.document, []).append((command, claim))
    return found


@pytest.mark.parametrize("document", runs())
def test_the_commands_of_a_document_work_as_written(document: str, shells: dict[World, Shell]) -> None:
    if document != documents.README.name:
        assert shells["platform"].run(ENVIRONMENT) == ("0", "")
    found = [trouble(shells[claim.world], command, claim) for command, claim in runs()[document]]
    assert not any(found), "\n\n".join(filter(None, found))


def names() -> dict[str, Command]:
    """Return the commands that are only named in a sentence, each once."""
    found = {command.key: command for command in reversed(COMMANDS)}
    return {key: command for key, command in found.items() if isinstance(claims_on(command)[0], Name)}


def test_commands_and_options_named_in_a_sentence_exist(shells: dict[World, Shell]) -> None:
    shell = shells["platform"]
    shell.run(ENVIRONMENT)
    for command in names().values():
        words = command.key.replace("python -m ", "python@-m@").split()
        options = [word for word in words[1:] if word.startswith("-")]
        program_and_command = " ".join(word.replace("@", " ") for word in words if word not in options)
        help_option = "-help" if words[0] == "openssl" else "--help"
        code, output = shell.run(f"{program_and_command} {help_option}")
        assert code == "0", f"{command.place}\n{output}"
        for option in options:
            assert re.search(rf"(?<![\w-]){option}\b", output), f"{command.place}: no {option} in\n{output}"
