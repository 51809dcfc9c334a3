"""The commands of the README and the guides, run as they are written and in their order, as a reader would.

They run in copies of the checkout: on the stack `local` that `make up` has made, or in the empty AWS account of
`make preview`. Which runs where, and what is put in for what differs by machine: tests/support/document_claims.py.
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
# What the README has its reader do before the guides.
ENVIRONMENT = 'eval "$(make -s env)"'
COMMANDS = [command for document in documents.documents() for command in documents.commands(document)]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where commands run: a copy of the checkout, and the variables of a shell in it."""

    folder: Path
    variables: dict[str, str]


class Shell:
    """One bash, which keeps what a command leaves in it for the next: variables, functions, the folder."""

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
        """Run a text and return its exit code, empty if it ended the shell, and what it printed."""
        assert self._bash.stdin
        assert self._bash.stdout
        self._bash.stdin.write(f"{{\n{text}\n}} >'{self._log}' 2>&1 </dev/null; echo $?\n")
        self._bash.stdin.flush()
        return self._bash.stdout.readline().strip(), self._log.read_text()

    def close(self) -> None:
        """End the shell and whatever still runs in it."""
        os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.communicate()


def copy_of_the_checkout(folder: Path) -> Path:
    """Return a copy in which commands may write, with the Python environment of the checkout."""
    copy = folder / "aegis"
    shutil.copytree(documents.ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for file in copy.rglob("*"):
        # Older than the environment, which `make` would make again.
        os.utime(file, (0, 0))
    (copy / ".venv").symlink_to((documents.ROOT / ".venv").resolve())
    return copy


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[World, Place]]:
    assert program.is_up("local"), "the stack local is not up: `make up` comes first"
    toolchain.ensure("cosign", "vault")
    tools = toolchain.ensure(*program.TOOLS, *preview.SERVERS)
    shells_own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    folders = {world: copy_of_the_checkout(tmp_path_factory.mktemp(world)) for world in ("platform", "account")}
    with preview.stand_ins(stacks.read("prod"), tmp_path_factory.mktemp("stand-ins"), tools) as variables:
        platform = Place(folder=folders["platform"], variables=shells_own)
        shell = Shell(platform)
        # As `make up` leaves it.
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
    """Run a command between the claim's own lines and return what went wrong; nothing if nothing did."""
    text = command.text
    for written, put_in in claim.instead.items():
        text = text.replace(written, put_in)
    for part, answers in ((claim.before, ()), (text, claim.answers), (claim.after, ())):
        code, output = shell.run(part) if part else ("0", "")
        if code != "0":
            return f"{command.place}\n`{part}` exited with {code or 'the shell'}:\n{output[-3000:]}"
        for answer in answers:
            if not re.search(answer, output, re.MULTILINE):
                return f"{command.place}\nprinted nothing like {answer!r}:\n{output[-3000:]}"
    return ""


def runs() -> dict[str, list[tuple[Command, Run]]]:
    """Return what is run of each document: each command once, and in a block rather than in a sentence."""
    where: dict[str, Command] = {}
    for command in sorted(COMMANDS, key=lambda command: command.in_text):
        where.setdefault(command.key, command)
    found: dict[str, list[tuple[Command, Run]]] = {}
    for command in COMMANDS:
        (claim,) = claims_on(command)
        if isinstance(claim, Run) and where[command.key] is command:
            found.setdefault(command.document, []).append((command, claim))
    return found


@pytest.mark.parametrize("document", runs())
def test_what_a_document_has_its_reader_type_works_as_written(document: str, shells: dict[World, Shell]) -> None:
    if document != documents.README.name:
        assert shells["platform"].run(ENVIRONMENT) == ("0", "")
    found = [trouble(shells[claim.world], command, claim) for command, claim in runs()[document]]
    assert not any(found), "\n\n".join(filter(None, found))


def names() -> dict[str, Command]:
    """Return the commands that a sentence only names, each once."""
    found = {command.key: command for command in reversed(COMMANDS)}
    return {key: command for key, command in found.items() if isinstance(claims_on(command)[0], Name)}


def test_what_a_sentence_names_is_a_command_with_that_option(shells: dict[World, Shell]) -> None:
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
